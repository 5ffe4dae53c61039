#!/bin/sh
# Lays out the root file system of an image that has the server and nothing that it does not need. Run as root in a
# Debian that has the server's libraries, by the Dockerfile.
#   pack.sh SERVER VERSION OUT [LIBRARY...]
# SERVER is a folder with spikeserve-server and, where the build made it, third-party.txt.gz. VERSION is the file that
# says which version it has to be. LIBRARY is one that the server opens by itself, so that ldd does not name it.
set -eu
from=$1 version=$2 out=$3
shift 3
user=65532

fail() { echo "pack: $*" >&2; exit 1; }

# Puts a file where the loader looks for it. The folders of /usr are the real ones, as in Debian itself.
put() {
  place=$out/usr/${1#/}
  place=$(echo "$place" | sed 's|/usr/usr/|/usr/|')
  mkdir -p "$(dirname "$place")"
  cp -L "$1" "$place"
}

# The files that the programs and libraries named need, by ldd.
needed() {
  for file; do
    said=$(ldd "$file")
    case $said in
      *"not found"*) fail "$file needs what no package here has: $(echo "$said" | grep 'not found' | tr -d '\t\n')" ;;
    esac
    echo "$said" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// {print $1}'
  done
}

# What scanners read: which Debian packages, in which version, the files are of; and on which terms.
record() {
  package=$(dpkg-query --search "$1" "/usr${1#/usr}" "${1#/usr}" 2>/dev/null | sed -n '1s/[:,].*//p')
  [ -n "$package" ] || fail "$1 is of no Debian package, so that nothing says its version and licence"
  [ ! -f "$out/var/lib/dpkg/status.d/$package" ] || return 0
  dpkg-query --status "$package" >"$out/var/lib/dpkg/status.d/$package"
  mkdir -p "$out/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$out/usr/share/doc/$package/copyright"
}

[ -f "$from/spikeserve-server" ] || fail "$from has no spikeserve-server"
rm -rf "$out"
mkdir -p "$out/usr/bin" "$out/usr/lib" "$out/usr/lib64" "$out/usr/share/doc/spikeserve-server" \
  "$out/var/lib/dpkg/status.d" "$out/etc/ssl/certs" "$out/tmp" "$out/var/lib/spikeserve"
ln -s usr/lib "$out/lib"
ln -s usr/lib64 "$out/lib64"

server=$out/usr/bin/spikeserve-server
strip -o "$server" "$from/spikeserve-server"
patchelf --remove-rpath "$server"  # folders of the machine that it was built on
chmod 755 "$server"
got=$("$server" --version) || fail "the server does not start"
wanted="spikeserve-server $(cat "$version")"
[ "$got" = "$wanted" ] || fail "the server is another one than this source's: got $got, wanted $wanted"

libraries=$(needed "$server" "$@" | sort -u)
for library in $libraries; do
  case " $* " in
    *" $library "*) continue ;;
  esac
  put "$library"
  record "$library"
done
for library; do
  cp -L "$library" "$out/usr$(dirname "$(echo "$libraries" | sed -n 's|^/usr||; /\/libc\.so\.6$/p')")/"
done

# Whom the traces' collector is trusted by.
cp -L /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"
record /usr/sbin/update-ca-certificates

cp -R /usr/share/common-licenses "$out/usr/share/"
[ ! -f "$from/third-party.txt.gz" ] || cp "$from/third-party.txt.gz" "$out/usr/share/doc/spikeserve-server/"
cp "$(dirname "$version")/LICENSE" "$out/usr/share/doc/spikeserve-server/copyright"

# By these scanners, and the tools that bring a GPU's driver in, know a Debian.
cp -L /etc/os-release /etc/debian_version "$out/etc/"
echo "hosts: files dns" >"$out/etc/nsswitch.conf"
echo "spikeserve:x:$user:$user:spikeserve:/var/lib/spikeserve:/usr/sbin/nologin" >"$out/etc/passwd"
echo "spikeserve:x:$user:" >"$out/etc/group"
chmod 1777 "$out/tmp"
chown "$user:$user" "$out/var/lib/spikeserve"
chmod 750 "$out/var/lib/spikeserve"
