"""Exports as an independent reader finds them: the Parquet file holds what the CSV file does, exactly."""

import csv
import datetime
import sys
from decimal import Decimal, localcontext

import pyarrow
import pyarrow.parquet

from common import equal

AMOUNTS = {"amount", "debit_after", "credit_after", "balance"}


def read(directory, table):
    with open(f"{directory}/{table}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    parquet = pyarrow.parquet.read_table(f"{directory}/{table}.parquet")
    for field in parquet.schema:
        if field.name in AMOUNTS:
            equal(field.type, pyarrow.decimal128(38, 8), field.name)
        if field.name == "time":
            equal(field.type, pyarrow.timestamp("ns", tz="UTC"), field.name)
        if field.name in ("entry", "cause_number"):
            equal(field.type, pyarrow.uint64(), field.name)
    equal(parquet.num_rows, len(rows), f"rows of {table}")
    assert rows, f"{table} is empty"
    equal(parquet.column_names, list(rows[0]), "columns")
    return rows, parquet


def same(rows, parquet):
    for name in parquet.column_names:
        column = parquet.column(name)
        for row, value in zip(rows, column):
            text = row[name]
            if text == "":
                equal(value.as_py(), None, name)
            elif name in AMOUNTS:
                assert isinstance(value.as_py(), Decimal), name
                equal(value.as_py(), Decimal(text), name)
            elif name == "time":
                seconds, nanos = text.rstrip("Z").split(".")
                moment = datetime.datetime.fromisoformat(seconds).replace(tzinfo=datetime.timezone.utc)
                equal(value.value, int(moment.timestamp()) * 1_000_000_000 + int(nanos), name)
            else:
                equal(str(value.as_py()), text, name)


def main():
    directory = sys.argv[1]
    movements, of_parquet = read(directory, "movements")
    same(movements, of_parquet)
    with localcontext() as context:
        context.prec = 60
        total = sum((value.as_py() for value in of_parquet.column("amount")), Decimal(0))
        equal(total, sum((Decimal(row["amount"]) for row in movements), Decimal(0)), "the sum of all movements")
        assert total > 0

        # What entries lead to is what the balances are, and all of them sum to zero.
        standing = {}
        for row in movements:
            for side in ("debit", "credit"):
                standing[(row[side], row["asset"])] = Decimal(row[f"{side}_after"])
        balances, of_parquet = read(directory, "balances")
        same(balances, of_parquet)
        equal({(row["account"], row["asset"]): Decimal(row["balance"]) for row in balances}, standing, "balances")
        sums = {}
        for row in balances:
            sums[row["asset"]] = sums.get(row["asset"], Decimal(0)) + Decimal(row["balance"])
        assert sums and all(value == 0 for value in sums.values()), sums
    print(f"{len(movements)} movements and {len(balances)} balances agree")


if __name__ == "__main__":
    main()
