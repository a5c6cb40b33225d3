#!/bin/sh
# Calls a running wallet daemon (`farthing daemon`) with grpcurl, or with buf where there is no grpcurl.
#
#   grpcurl.sh                     the balance
#   grpcurl.sh GetInfo             whose wallet it is, and its currency
#   grpcurl.sh Pay '{"payee": "bob@bank.example", "amount": "3500000", "memo": "lunch",
#                    "request_id": "'"$(head -c 16 /dev/urandom | base64)"'"}'
#
# Amounts are minor units of the currency. FARTHING_DIR is the wallet's directory, as for `farthing`.
set -eu

method=farthing.v1.WalletService/${1:-GetBalance}
message=${2:-"{}"}

dir=${FARTHING_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/farthing}
endpoint=$dir/daemon/endpoint.json
if [ ! -f "$endpoint" ]; then
    echo "no daemon runs for the wallet in $dir: start one with 'farthing daemon'" >&2
    exit 1
fi
field() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$endpoint"; }
address=$(field address)
ca=$(field ca)
token_file=$(field token_file)

# The token must not be an argument: every user of the machine sees those.
if command -v grpcurl >/dev/null; then
    FARTHING_TOKEN=$(cat "$token_file")
    export FARTHING_TOKEN
    # shellcheck disable=SC2016 # grpcurl expands the variable.
    exec grpcurl -cacert "$ca" -expand-headers -H 'authorization: Bearer ${FARTHING_TOKEN}' \
        -d "$message" "${address#https://}" "$method"
fi
header=$(mktemp)
trap 'rm -f "$header"' EXIT
printf 'authorization: Bearer %s\n' "$(cat "$token_file")" >"$header"
buf curl --protocol grpc --cacert "$ca" --header "@$header" --reflect-header "@$header" \
    --data "$message" "$address/$method"
