# The image that is published: docker buildx bake release (scripts/release/image.sh calls it).
#
# Its base is pinned by digest, so that a tag that is built again is the same image. To move on:
#   docker buildx imagetools inspect node:24-bookworm-slim --format '{{.Manifest.Digest}}'

variable "NODE_IMAGE" {
  default = "node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d"
}
variable "IMAGE" {
  default = "ghcr.io/mirror-server/mirror-server"
}
variable "VERSION" {
  default = "0.0.0-local"
}
variable "REVISION" {
  default = "unknown"
}
variable "CREATED" {
  default = "unknown"
}

group "default" {
  targets = ["local"]
}

target "local" {
  tags = ["mirror-server"]
}

target "release" {
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = ["${IMAGE}:${VERSION}", "${IMAGE}:latest"]
  args = {
    NODE_IMAGE = NODE_IMAGE
    VERSION    = VERSION
    REVISION   = REVISION
    CREATED    = CREATED
  }
  # What is in it, and how it was made.
  attest = ["type=sbom", "type=provenance,mode=max"]
}
