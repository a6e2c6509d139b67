#!/usr/bin/env python3
"""Breaks the book and the money half in small ways, one at a time, and sees that the naive twin of each
notices.

    python3 tests/mutations/run.py [NUMBER ...]

Works on a copy of the engine under target/mutations; nothing in the tree is touched. Ends with
"N mutations, M caught, K survived", and with exit code 1 if one survived or no longer applies.
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "mutations"

# What it breaks, where, and how: the text that stands there once, and what stands there instead.
MUTATIONS = [
    ("what is hidden trades before what is displayed at its price", "careful.rs",
     "price != level.price && crosses(taker.side, level.price, price)",
     "crosses(taker.side, level.price, price)"),
    ("an iceberg shows its whole reserve when its first part is used up", "lists.rs",
     "let (shown, reserve) = special::split(&special.instructions, special.reserve);",
     "let (shown, reserve) = (special.reserve, Quantity::ZERO);"),
    ("a minimum is held against what is left of the taker, whatever its money buys", "careful.rs",
     "&& quantity < met.least", "&& open < met.least"),
    ("a pegged buyer may stand at the best displayed ask", "dark.rs",
     "|ask| ask.0 - 1)", "|ask| ask.0)"),
    ("the partner of an order that trades stays", "lists.rs",
     "if let Some(link) = asks.and_then(|asks| asks.link) {",
     "if let Some(link) = asks.and_then(|asks| asks.link).filter(|_| false) {"),
    ("an auction under buying pressure takes the lowest price", "auction.rs",
     "if candidates.iter().all(|candidate| candidate.imbalance > 0) {\n            return Some(highest);",
     "if candidates.iter().all(|candidate| candidate.imbalance > 0) {\n            return Some(lowest);"),
    ("an order lives a nanosecond too long", "phase.rs",
     "self.next_due().is_some_and(|due| due <= time)", "self.next_due().is_some_and(|due| due < time)"),
    ("a band is rounded away from its reference", "phase.rs",
     "Side::Buy => scaled(basis + u128::from(share.0)) / basis,",
     "Side::Buy => scaled(basis + u128::from(share.0)).div_ceil(basis),"),
    ("orders that are triggered together have their turns the last one first", "triggers.rs",
     "waiting.stage = Stage::Fired;\n            self.fired.push_back(slot);",
     "waiting.stage = Stage::Fired;\n            self.fired.push_front(slot);"),
    ("a reduction takes from what is displayed first", "lists.rs",
     "let from_reserve = special.reserve.min(less);",
     "let from_reserve = less - less.min(node.remaining - Quantity(1)).min(less);"),
    ("money bounds what two orders of one account lose", "careful.rs",
     "let lost = if by_quote { quantity } else { open };\n                        if by_quote {",
     "let lost = quantity;\n                        if by_quote {"),
    ("a market that opens does not show its last price to orders that wait", "phase.rs",
     "if let Some(last) = self.last {\n                    self.triggers.print(last);",
     "if let Some(last) = self.last.filter(|_| false) {\n                    self.triggers.print(last);"),
    ("the second order of a price trades first where the first was filled in part", "book.rs",
     "last = head;\n                head = self.orders.forget(fill.maker, head);\n                count += 1;",
     "last = head;\n                head = self.orders.forget(fill.maker, head);\n                count += 1;\n"
     "                if count == 1 && head != NONE && wanted.0 > 1 { wanted -= Quantity(1); }"),
    ("day orders survive the close", "phase.rs",
     "while let Some(order) = self.ends.pop_of_day() {",
     "while let Some(order) = self.ends.pop_of_day().filter(|_| false) {"),
    ("a trade with an order that is not displayed does not count it as changed", "dark.rs",
     "            dark.remaining = remaining;\n            self.version += 1;",
     "            dark.remaining = remaining;"),
    ("what waits for another order is fired when that one is filled in part", "careful.rs",
     "Placement::Expired { .. } => self.taker_ended(&order, false, output),",
     "Placement::Expired { .. } => self.taker_ended(&order, true, output),"),
]

# The same of the money half.
PAYMENT_MUTATIONS = [
    ("what a withdrawal holds goes back without its fee", "decisions.rs",
     "let all = amount + live.transaction.fee;", "let all = amount;"),
    ("a payment that was held credits the payer", "decisions.rs",
     "let through = Move(asset, hold, LedgerAccount::Available(merchant), amount - fee);",
     "let through = Move(asset, hold, LedgerAccount::Available(payer), amount - fee);"),
    ("a part of a payment costs the fee of the whole", "decisions.rs",
     "fee = fee.min(anew).min(amount);", "fee = fee.min(anew.max(fee)).min(amount);"),
    ("the fee of a withdrawal is forgotten when it is paid", "reports.rs",
     "Move(asset, hold, LedgerAccount::House(House::Fee), live.transaction.fee),",
     "Move(asset, hold, SUSPENSE, live.transaction.fee),"),
    ("a movement that is told again is booked again", "reports.rs",
     "self.transactions.movements.push(told.key);", ""),
    ("rails share their references", "reports.rs",
     "high.add(u64::from(rail.0));\n    low.add(u64::from(rail.0));",
     "high.add(u64::from(rail.0.min(1)));\n    low.add(u64::from(rail.0.min(1)));"),
    ("refunds may exceed their payment by one", "tries.rs",
     "if amount > paid.posted - paid.reversed {", "if amount > paid.posted - paid.reversed + Amount(1) {"),
    ("claw-backs may exceed their commission by one", "tries.rs",
     "if amount > of - earned.reversed {", "if amount > of - earned.reversed + Amount(1) {"),
    ("a deposit is whole while some of it may be taken back", "reports.rs",
     "&& live.pending == 0\n", "\n"),
    ("a movement that is settled counts as pending all the same", "reports.rs",
     "live.pending -= u32::from(!movement.counted.is_zero());", ""),
    ("what was taken back goes on counting", "reports.rs", "live.transaction.moved -= counted;\n            live.pending",
     "live.pending"),
    ("an excess has no case", "reports.rs",
     "if !excess.is_zero() {", "if !excess.is_zero() && !is_right {"),
    ("a timer is lost when the next is set", "timers.rs",
     "transaction.due = until_end(transaction, after(interval(&policy, transaction.attempts)));",
     "transaction.due = after(policy.longest);"),
    ("a timer outlasts the end of its transaction", "timers.rs",
     "if ends { due.min(transaction.until) } else { due.max(Nanos(1)) }", "due.max(Nanos(1))"),
    ("a transaction ends a nanosecond late", "timers.rs",
     "!until.is_zero() && until <= time;", "!until.is_zero() && until < time;"),
    ("a transaction is stuck one attempt too soon", "timers.rs",
     "let gets_stuck = transaction.attempts > policy.attempts", "let gets_stuck = transaction.attempts >= policy.attempts"),
    ("events may be acknowledged in any order", "timers.rs",
     "if event > transaction.acknowledged + 1 || event > transaction.events {", "if event > transaction.events {"),
    ("the same operator may approve twice", "decisions.rs",
     "if approvals.contains(operator) {", "if approvals.len() > 1 {"),
    ("a confirmation that comes again with another amount passes", "decisions.rs",
     "TransactionState::Confirmed if amount.is_zero() || self.decided(number) == Some(amount) => {",
     "TransactionState::Confirmed => {"),
    ("a refund that was held and canceled counts for ever", "decisions.rs",
     "paid.transaction.reversed -= amount;", ""),
    ("the fee given back with a refund that was canceled is not given back again", "decisions.rs",
     "paid.transaction.fee_back -= fee;", ""),
    ("a withdrawal that was handed over is canceled without its rail", "decisions.rs",
     "(live.transaction.stage != Stage::Unsent || live.pending > 0)", "live.pending > 0"),
    ("frozen accounts may pay", "tries.rs", "        self.check_leave(from)?;\n        self.check_enter(to)",
     "        self.check_enter(to)"),
    ("an account is closed with a transaction under way", "settings.rs",
     "&& !self.live_transactions().any(|transaction| self.names(transaction, account))", ""),
    ("the platform's share does not pay for what goes back", "fees.rs",
     "let kept = Amount(fee.0.min(self.ledger.house(asset, House::Fee).0));", "let kept = fee;"),
    ("more of a credit may be taken back than is left of it", "settings.rs",
     "if (self.ledger.balance(account, asset).available + limit).0 < 0 {", "if limit.0 < 0 {"),
    ("a claw-back takes of a credit", "tries.rs",
     "Amount(amount.0.min(self.ledger.balance(agent, asset).available.0).max(0))",
     "Amount(amount.0.min(self.spendable(agent, asset).0).max(0))"),
    ("the rail of a transaction is forgotten with it", "life.rs",
     "transaction.rail = terms.rail;", "transaction.rail = RailId::DIRECT;"),
    ("a wallet that starts again forgets what may be taken back", "snapshot.rs",
     "live.pending += u32::from(!movement.counted.is_zero());", ""),
    ("money of another asset counts for a deposit", "reports.rs",
     "if told.asset != asset {\n            self.book_in_suspense(live, Way::In",
     "if told.asset != asset && false {\n            self.book_in_suspense(live, Way::In"),
]


def prepare():
    """A workspace of the engine alone, with the versions of the whole."""
    COPY.mkdir(parents=True, exist_ok=True)
    for name in ("engine", "rustfmt.toml"):
        source, target = ROOT / name, COPY / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            # With new times, or what the last mutation built would pass for this.
            shutil.copytree(source, target, copy_function=shutil.copy)
        else:
            shutil.copy(source, target)
    shutil.rmtree(COPY / "engine" / "c", ignore_errors=True)
    manifest = (ROOT / "Cargo.toml").read_text()
    manifest = re.sub(r"members = \[.*?\]", 'members = ["engine"]', manifest)
    manifest = re.sub(r"exclude = \[.*?\]\n", "", manifest)
    (COPY / "Cargo.toml").write_text(manifest)
    shutil.copy(ROOT / "Cargo.lock", COPY / "Cargo.lock")


def twin(name):
    """The twin of the book needs speed; that of money meets everything soon, and is sooner built without."""
    command = ["cargo", "test", "--quiet", "--package", "rialto-engine", "--test", name]
    command += ["--release"] if name == "book_twin" else ["money_moves"]
    return subprocess.run(command, cwd=COPY, capture_output=True, text=True)


def main():
    suites = [("book_twin", "book", mutation) for mutation in MUTATIONS]
    suites += [("payment_twin", "wallet/transactions", mutation) for mutation in PAYMENT_MUTATIONS]
    wanted = [int(number) for number in sys.argv[1:]] or range(1, len(suites) + 1)
    prepare()
    for name in sorted({suites[number - 1][0] for number in wanted}):
        if twin(name).returncode != 0:
            sys.exit(f"{name} disagrees with the engine as it is")
    caught, survived = 0, 0
    for number in wanted:
        suite, place, (what, name, old, new) = suites[number - 1]
        path = COPY / "engine" / "src" / ("book.rs" if name == "book.rs" else f"{place}/{name}")
        text = path.read_text()
        if text.count(old) != 1:
            print(f"{number:2}. does not apply: {what}", flush=True)
            survived += 1
            continue
        path.write_text(text.replace(old, new))
        run = twin(suite)
        path.write_text(text)
        if "could not compile" in run.stderr:
            print(f"{number:2}. does not compile: {what}", flush=True)
            survived += 1
        elif run.returncode == 0:
            print(f"{number:2}. SURVIVED: {what}", flush=True)
            survived += 1
        else:
            print(f"{number:2}. caught: {what}", flush=True)
            caught += 1
    print(f"{len(wanted)} mutations, {caught} caught, {survived} survived")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
