#!/bin/sh
# Installs redis-server (or valkey-server) 7.0 or newer by apt-get, as root, and leaves no system service running or
# enabled: npm start and npm test start private servers of their own.
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
made=

cleanup() {
  [ -z "$made" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

apt-get update

# Older releases carry Redis 6: better to install nothing than something we cannot use.
package=
for name in redis-server valkey-server; do
  candidate=$(LC_ALL=C apt-cache policy "$name" | sed -n 's/^ *Candidate: *\([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p')
  if [ "${candidate:-0}" -ge 7 ]; then
    package=$name
    break
  fi
done
if [ -z "$package" ]; then
  echo "this release offers no Redis 7 or Valkey; see https://redis.io/docs/latest/operate/oss_and_stack/install/" >&2
  exit 1
fi

# Exit code 101 forbids the package's scripts to start the service. A policy that exists is the administrator's.
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  made=yes
  chmod 755 "$policy"
fi

apt-get install -y --no-install-recommends "$package"

# The policy stops the start, not the links for the next boot.
if [ -d /run/systemd/system ]; then
  systemctl disable --now "$package"
elif command -v update-rc.d >/dev/null; then
  update-rc.d "$package" disable
fi
