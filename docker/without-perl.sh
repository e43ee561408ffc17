#!/bin/sh
# Installs a package without content that stands for what Debian's git asks for and a read-only mirror never runs: Perl, its
# error module, and git's manual. Who installs a part of git that needs these gets the real ones. For `docker build`, after `apt-get update`.
set -eu
version=$(apt-cache show --no-all-versions git | sed -n 's/^Version: //p')
folder=$(mktemp -d)
mkdir "$folder/DEBIAN"
cat >"$folder/DEBIAN/control" <<CONTROL
Package: mirror-server-without-perl
Version: 1
Architecture: all
Maintainer: the mirror-server authors <noreply@invalid>
Provides: perl, liberror-perl, git-man (= $version)
Breaks: git-email, git-svn, git-cvs, git-gui, gitk, gitweb, git-arch, git-mediawiki, git-doc
Description: stands for Perl and git's manual, which a read-only mirror does not need
CONTROL
dpkg-deb --build "$folder" "$folder.deb" >/dev/null
dpkg --install "$folder.deb"
rm -r "$folder" "$folder.deb"
