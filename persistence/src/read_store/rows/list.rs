//! Lists of orders.

use rialto_engine::ids::{AccountId, ClientOrderId, MarketId, OrderId};
use rialto_engine::update::ListView;
use rialto_engine::wallet::Contingency;

use super::{Row, client_id_hash, last_number, put_number};

const CONTINGENCIES: [Contingency; 3] =
    [Contingency::OneCancelsOther, Contingency::OneTriggersOther, Contingency::OneTriggersPair];

/// A list's owner names it without its market.
pub fn list_client_id_hash(account: AccountId, client_id: &ClientOrderId) -> u64 {
    client_id_hash(account, MarketId(u16::MAX), client_id)
}

/// What of a list is not in its key.
pub fn put_list(out: &mut Vec<u8>, list: &ListView) {
    put_number(out, u64::from(list.market.0));
    out.push(CONTINGENCIES.iter().position(|contingency| *contingency == list.contingency).unwrap_or(0) as u8);
    out.extend_from_slice(&list.time.0.to_be_bytes());
    put_client_id(out, &list.client_id);
    for (order, client_id) in &list.orders {
        put_number(out, order.0);
        put_client_id(out, client_id);
    }
}

/// A list from its row and key.
pub fn list(key: &[u8], row: &[u8]) -> Option<ListView> {
    let account = AccountId(u32::from_be_bytes(key.get(4..8)?.try_into().ok()?));
    let mut row = Row(row);
    let market = MarketId(row.number()?.try_into().ok()?);
    let contingency = *CONTINGENCIES.get(usize::from(row.byte()?))?;
    let time = row.time()?;
    let client_id = client_id(&mut row)?;
    let mut orders = Vec::new();
    while !row.0.is_empty() {
        orders.push((OrderId(row.number()?), self::client_id(&mut row)?));
    }
    Some(ListView { id: OrderId(last_number(key)), client_id, account, market, contingency, orders, time })
}

/// At most 36 bytes, behind their number.
fn put_client_id(out: &mut Vec<u8>, client_id: &ClientOrderId) {
    let text = client_id.as_str().as_bytes();
    out.push(text.len() as u8);
    out.extend_from_slice(text);
}

fn client_id(row: &mut Row<'_>) -> Option<ClientOrderId> {
    let length = usize::from(row.byte()?);
    ClientOrderId::new(std::str::from_utf8(row.bytes(length)?).ok()?)
}

#[cfg(test)]
mod tests {
    use rialto_engine::ids::TenantId;
    use rialto_engine::units::Nanos;

    use super::super::account_entry_key;
    use super::*;

    /// If this fails, [`super::super::FORMAT_NUMBER`] must change.
    #[test]
    fn the_written_bytes_are_these_and_read_back() {
        let name = |text| ClientOrderId::new(text).expect("valid");
        let view = ListView {
            id: OrderId(300),
            client_id: name("ab"),
            account: AccountId(7),
            market: MarketId(2),
            contingency: Contingency::OneTriggersPair,
            orders: vec![(OrderId(300), name("c")), (OrderId(301), name("d"))],
            time: Nanos(258),
        };
        let mut row = Vec::new();
        put_list(&mut row, &view);
        let text: String = row.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "02020000000000000102026162ac020163ad020164");
        let key = account_entry_key(TenantId(1), view.account, view.id.0);
        assert_eq!(list(&key, &row), Some(view));
        assert_eq!(list(&key, &row[..row.len() - 1]), None);
    }
}
