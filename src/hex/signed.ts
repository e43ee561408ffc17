/**
 * The envelope of every registry resource: gzip( Signed{ payload, signature } ).
 * https://github.com/hexpm/specifications/blob/main/registry-v2.md
 */
import { sign, verify, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { MirrorError } from "../errors.ts";
import { SignedSchema } from "./gen/registry_pb.ts";

const signInThread = promisify(sign);
const compressInThread = promisify(gzip);

// hex.pm's largest resource, `versions`, unpacks to some 3 MB. A bomb must not take the process down. Bytes.
const maxResourceSize = 32 * 1024 * 1024;

export interface SignedResource {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** @param bytes as served: gzipped @throws MirrorError `malformed` */
export function unwrap(bytes: Uint8Array): SignedResource {
  try {
    const envelope = gunzipSync(bytes, { maxOutputLength: maxResourceSize });
    // Each unknown field would be kept as an object, and two bytes are one.
    const { payload, signature } = fromBinary(SignedSchema, envelope, { readUnknownFields: false });
    return { payload, signature };
  } catch (cause) {
    throw new MirrorError("malformed", "not a signed registry resource", { cause });
  }
}

/** @returns the payload @throws MirrorError `malformed`, or `integrity` where the signature is not `key`'s */
export function verifyAndUnwrap(bytes: Uint8Array, key: KeyObject): Uint8Array {
  const resource = unwrap(bytes);
  if (!isSignedBy(resource, key)) {
    throw new MirrorError("integrity", "the registry resource is not signed by the expected key");
  }
  return resource.payload;
}

export function isSignedBy({ payload, signature }: SignedResource, key: KeyObject): boolean {
  return verify("sha512", payload, key, signature);
}

/**
 * Signs and compresses in Node's own threads, so that several resources are made at once. Deterministic on one
 * platform; compressors differ between platforms, so compare payloads, never these bytes.
 */
export async function wrap(payload: Uint8Array, privateKey: KeyObject): Promise<Buffer> {
  const signature = await signInThread("sha512", payload, privateKey);
  return compressInThread(toBinary(SignedSchema, create(SignedSchema, { payload, signature })));
}
