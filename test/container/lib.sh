# What the checks with a real engine share. Sourced, with "set -euo pipefail" on.
step() { printf 'container: %s\n' "$*"; }
fail() { printf 'container: FAILED %s\n' "$*" >&2; exit 1; }

export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
# seed_repository DIR    makes a bare repository with one commit, and prints that
seed_repository() {
  local commit
  git init -q --bare "$1"
  commit=$(git --git-dir="$1" commit-tree "$(git --git-dir="$1" mktree </dev/null)" -m seed)
  git --git-dir="$1" update-ref "$(git --git-dir="$1" symbolic-ref HEAD)" "$commit"
  echo "$commit"
}
