//! What backends can do.

use serde_json::{Value, json};

use crate::support::Server;
use crate::{TABLES, backend, has, paid, refused, server};

#[test]
fn a_transfer_moves_money_once_however_often_it_is_asked_for() {
    let server = server();
    let backend = backend(&server);
    let ask = "id=t-1&from=alice&to=bob&asset=USD&amount=12.5";
    let first = paid(&backend, "transfers", ask);
    assert_eq!(first["repeated"], false);
    let transaction = &first["transaction"];
    assert_eq!(
        (
            &transaction["id"],
            &transaction["kind"],
            &transaction["state"],
            &transaction["amount"],
            &transaction["posted"]
        ),
        (&json!("t-1"), &json!("transfer"), &json!("confirmed"), &json!("12.50000000"), &json!("12.50000000"))
    );
    let balances = first["balances"].as_array().expect("balances");
    let of = |user: &str| balances.iter().find(|row| row["user"] == user).expect("his")["free"].clone();
    assert_eq!((of("alice"), of("bob")), (json!("99987.50000000"), json!("100012.50000000")));
    let again = paid(&backend, "transfers", ask);
    assert_eq!((&again["repeated"], &again["transaction"]["number"]), (&json!(true), &transaction["number"]));
    // With other parameters it would be something else.
    let other = backend.signed("POST", "/payments/v1/transfers", &ask.replace("12.5", "12.6"));
    assert_eq!(refused(&other), (409, -9_020));
    has(&server, "alice", "USD", "99987.50000000", "0.00000000");
    let found = backend.signed("GET", "/payments/v1/transactions", "id=t-1");
    assert_eq!(found.body["state"], "confirmed", "{}", found.text);
}

#[test]
fn a_held_payment_is_confirmed_in_part_and_refunded() {
    let server = server();
    let backend = backend(&server);
    let held = paid(&backend, "payments", "id=p-1&payer=alice&merchant=shop&asset=USD&amount=100&held=true");
    assert_eq!((&held["transaction"]["state"], &held["transaction"]["fee"]), (&json!("open"), &json!("2.00000000")));
    has(&server, "alice", "USD", "99900.00000000", "100.00000000");
    let done = paid(&backend, "transactions/confirm", "id=p-1&amount=50");
    assert_eq!(
        (&done["transaction"]["state"], &done["transaction"]["posted"]),
        (&json!("confirmed"), &json!("50.00000000"))
    );
    has(&server, "alice", "USD", "99950.00000000", "0.00000000");
    has(&server, "shop", "USD", "49.00000000", "0.00000000");
    let refund = paid(&backend, "refunds", "id=r-1&payment=p-1&amount=20");
    assert_eq!((&refund["transaction"]["asset"], &refund["transaction"]["fee"]), (&json!("USD"), &json!("0.40000000")));
    has(&server, "alice", "USD", "99970.00000000", "0.00000000");
    has(&server, "shop", "USD", "29.40000000", "0.00000000");
    let more = backend.signed("POST", "/payments/v1/refunds", "id=r-2&payment=p-1&amount=30.01");
    assert_eq!(refused(&more), (400, -9_053));
    let other = backend.signed("POST", "/payments/v1/refunds", "id=r-2&payment=p-1&amount=1&asset=CNY");
    assert_eq!(refused(&other), (400, -9_063));
    paid(&backend, "refunds", "id=r-3&payment=p-1&amount=30");
    has(&server, "shop", "USD", "0.00000000", "0.00000000");
}

#[test]
fn commissions_wait_and_can_be_taken_back() {
    let server = server();
    let backend = backend(&server);
    let open = paid(&backend, "commissions", "id=c-1&agent=bob&asset=CNY&amount=10");
    assert_eq!(open["transaction"]["state"], "open");
    has(&server, "bob", "CNY", "700000.00000000", "0.00000000");
    paid(&backend, "clawbacks", "id=b-1&commission=c-1&amount=4");
    let done = paid(&backend, "transactions/confirm", "id=c-1");
    assert_eq!(done["transaction"]["state"], "confirmed");
    has(&server, "bob", "CNY", "700006.00000000", "0.00000000");
    let more = backend.signed("POST", "/payments/v1/clawbacks", "id=b-2&commission=c-1&amount=6.5");
    assert_eq!(refused(&more), (400, -9_054));
}

#[test]
fn the_platform_takes_its_share_of_fees() {
    let server = server();
    let backend = backend(&server);
    let nothing = backend.signed("POST", "/payments/v1/feeshares", "id=f-0&asset=USD&rateBps=1000");
    assert_eq!(refused(&nothing), (400, -9_059));
    paid(&backend, "payments", "id=p-1&payer=alice&merchant=shop&asset=USD&amount=100");
    let share = paid(&backend, "feeshares", "id=f-1&asset=USD&rateBps=1000");
    assert_eq!(
        (&share["transaction"]["state"], &share["transaction"]["posted"]),
        (&json!("confirmed"), &json!("0.20000000"))
    );
}

#[test]
fn an_id_that_is_canceled_first_is_never_carried_out() {
    let server = server();
    let backend = backend(&server);
    let canceled = paid(&backend, "transactions/cancel", "id=late");
    assert_eq!(
        (&canceled["transaction"]["state"], &canceled["transaction"]["kind"]),
        (&json!("canceled"), &json!(null))
    );
    let tried = backend.signed("POST", "/payments/v1/transfers", "id=late&from=alice&to=bob&asset=USD&amount=1");
    assert_eq!(refused(&tried), (409, -9_049));
    has(&server, "bob", "USD", "100000.00000000", "0.00000000");
}

#[test]
fn a_withdrawal_holds_amount_and_fee_until_its_rail_decides() {
    let server = server();
    let backend = backend(&server);
    let ask = "id=w-1&user=alice&asset=USD&amount=100&destination=DE00%201234&rail=bank";
    let tried = paid(&backend, "withdrawals", ask);
    let transaction = &tried["transaction"];
    assert_eq!((&transaction["rail"], &transaction["fee"]), (&json!("bank"), &json!("0.60000000")), "{tried}");
    assert_eq!((&transaction["destination"], &transaction["state"]), (&json!("DE00 1234"), &json!("open")));
    has(&server, "alice", "USD", "99899.40000000", "100.60000000");
    // A repetition that names another rail is the same withdrawal.
    let again = paid(&backend, "withdrawals", &ask.replace("rail=bank", "rail=card"));
    assert_eq!((&again["repeated"], &again["transaction"]["rail"]), (&json!(true), &json!("bank")));
}

/// The users of a tenant with three wallets are at home in three of them.
#[test]
fn answers_name_balances_of_whatever_wallet() {
    let server = Server::start_configured("wallet_shards = 3", "", TABLES);
    let backend = backend(&server);
    let told = |reply: &Value| {
        let rows = reply["balances"].as_array().expect("balances").iter().map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text").to_owned();
            (text("user"), text("free"), text("locked"))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    };
    let row = |user: &str, free: &str, locked: &str| {
        (user.to_owned(), format!("{free}.00000000"), format!("{locked}.00000000"))
    };
    for number in 0..50_u32 {
        let moved = paid(&backend, "transfers", &format!("id=t-{number}&from=alice&to=bob&asset=USD&amount=100"));
        let (alice, bob) = (100_000 - 100 * (number + 1), 100_000 + 100 * (number + 1));
        let expected = [row("alice", &alice.to_string(), "0"), row("bob", &bob.to_string(), "0")];
        assert_eq!(told(&moved), expected, "{number}");
    }
    let held = paid(&backend, "payments", "id=p-1&payer=bob&merchant=shop&asset=USD&amount=50&held=true");
    assert_eq!(told(&held), [row("bob", "104950", "50")]);
    let done = paid(&backend, "transactions/confirm", "id=p-1");
    assert_eq!(told(&done), [row("bob", "104950", "0"), row("shop", "49", "0")]);
    let out = paid(&backend, "withdrawals", "id=w-1&user=alice&asset=USD&amount=500&destination=x&rail=bank");
    assert_eq!(told(&out), [row("alice", "94499", "501")]);
}
