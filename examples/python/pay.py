#!/usr/bin/env python3
"""Pays somebody through a running wallet daemon (`farthing daemon`).

    pip install -r examples/python/requirements.txt
    python3 examples/python/pay.py bob@bank.example 3.50 lunch
    python3 examples/python/pay.py shop@grocer.example 4.50 lunch meal     # with money for meals

No cryptography happens here: the daemon holds the wallet. FARTHING_DIR is the wallet's directory, as for `farthing`.
"""

import json
import os
import secrets
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# The messages come straight from the .proto files of this repository; nothing is generated beforehand.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("farthing/v1/wallet.proto")


def wallet_dir():
    """The directory of the wallet, found as `farthing` finds it."""
    if "FARTHING_DIR" in os.environ:
        return Path(os.environ["FARTHING_DIR"])
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "farthing"


def connect(directory):
    """A client of the daemon, and the metadata that every call carries."""
    endpoint = json.loads((directory / "daemon/endpoint.json").read_text())
    token = Path(endpoint["token_file"]).read_text().strip()
    credentials = grpc.ssl_channel_credentials(Path(endpoint["ca"]).read_bytes())
    address = endpoint["address"].removeprefix("https://")
    channel = grpc.secure_channel(address, credentials, options=[("grpc.enable_http_proxy", 0)])
    return services.WalletServiceStub(channel), [("authorization", f"Bearer {token}")]


def minor_units(text, exponent):
    """An amount as people write it, as a whole number of the currency's smallest unit."""
    try:
        amount = Decimal(text).scaleb(exponent)
    except InvalidOperation:
        sys.exit(f"{text} is no amount: write it as 3.50")
    if amount != int(amount) or amount <= 0:
        sys.exit(f"{text} is no amount above zero with at most {exponent} decimals")
    return int(amount)


def decimal(amount, exponent):
    """The amount as `farthing` writes it: two decimals at least, and no needless zeros after them."""
    amount = Decimal(amount).scaleb(-exponent)
    shortest = amount.normalize()
    places = min(max(2, -shortest.as_tuple().exponent), exponent)
    return f"{amount:.{places}f}"


def reason(error):
    """The reason of a refusal: what programs branch on, and not on the text."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == "farthing.v1":
            return info.reason
    return error.code().name


def main():
    if not 3 <= len(sys.argv) <= 5:
        sys.exit("usage: pay.py PAYEE AMOUNT [MEMO [PURPOSE]]")
    payee, text = sys.argv[1:3]
    memo, purpose = (sys.argv[3:] + ["", ""])[:2]
    wallet, metadata = connect(wallet_dir())
    try:
        currency = wallet.GetInfo(messages.GetInfoRequest(), metadata=metadata).currency
        if not currency.code:
            sys.exit("the wallet does not know its currency yet: it never reached the issuer")
        request = messages.PayRequest(
            payee=payee,
            amount=minor_units(text, currency.exponent),
            memo=memo,
            # Empty: money for anything.
            purpose=purpose,
            # Keep this id until the outcome is known: sent again with it, the payment is not made twice.
            request_id=secrets.token_bytes(16),
        )
        paid = wallet.Pay(request, metadata=metadata)
    except grpc.RpcError as error:
        sys.exit(f"{reason(error)}: {error.details()}")
    state = messages.OperationState.Name(paid.state).removeprefix("OPERATION_STATE_").lower()
    left = decimal(paid.available, currency.exponent)
    of = f" for {purpose} only" if purpose else ""
    print(f"{state}: payment {paid.payment_id.hex()}, {left} {currency.code} left{of}")


if __name__ == "__main__":
    main()
