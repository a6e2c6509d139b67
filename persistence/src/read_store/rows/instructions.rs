//! What an order asks for beyond its kind, as part of its row.

use rialto_engine::ids::OrderId;
use rialto_engine::order::{
    Activation, Display, Distance, Instructions, Lifetime, Link, Peg, PegReference, SelfTrade, Trail, Trigger,
};
use rialto_engine::units::{BasisPoints, Price, Quantity};

use super::{Row, put_number, unzigzag, zigzag};

/// Beside the mode: more than prevention and a trigger is asked for.
const MORE: u8 = 1 << 3;

const GROUP: u64 = 1;
const ICEBERG: u64 = 1 << 1;
const HIDDEN: u64 = 1 << 2;
const MINIMUM: u64 = 1 << 3;
const PEG: u64 = 1 << 4;
const UNTIL: u64 = 1 << 5;
const DAY: u64 = 1 << 6;
const SLIPPAGE: u64 = 1 << 7;
const TAG: u64 = 1 << 8;
const LINK: u64 = 1 << 9;

/// The mode and what the trigger is, then its prices; then, if there is more, what of it there is, and
/// each of these.
pub fn put_instructions(out: &mut Vec<u8>, instructions: &Instructions) {
    let mode = SelfTrade::ALL.iter().position(|mode| *mode == instructions.self_trade).unwrap_or(0) as u8;
    let by_ticks = |trail: Trail| matches!(trail.distance, Distance::Ticks(_));
    let trigger = match instructions.trigger {
        None => 0,
        Some(Trigger::Rise(_)) => 1,
        Some(Trigger::Fall(_)) => 2,
        Some(Trigger::TrailRise(trail)) => 3 + 2 * u8::from(by_ticks(trail)),
        Some(Trigger::TrailFall(trail)) => 4 + 2 * u8::from(by_ticks(trail)),
    };
    let more = more(instructions);
    out.push(trigger << 4 | if more == 0 { 0 } else { MORE } | mode);
    match instructions.trigger {
        None => {}
        Some(Trigger::Rise(price) | Trigger::Fall(price)) => put_number(out, price.0),
        Some(Trigger::TrailRise(trail) | Trigger::TrailFall(trail)) => put_trail(out, trail),
    }
    if more > 0 {
        put_more(out, more, instructions);
    }
}

fn put_trail(out: &mut Vec<u8>, trail: Trail) {
    match trail.distance {
        Distance::Share(share) => put_number(out, u64::from(share.0)),
        Distance::Ticks(ticks) => put_number(out, ticks.0),
    }
    match trail.activation {
        None => out.push(0),
        Some(Activation::Rise(price)) => {
            out.push(1);
            put_number(out, price.0);
        }
        Some(Activation::Fall(price)) => {
            out.push(2);
            put_number(out, price.0);
        }
    }
}

/// What is asked for beyond prevention and a trigger.
fn more(instructions: &Instructions) -> u64 {
    let display = match instructions.display {
        Display::All => 0,
        Display::Iceberg(_) => ICEBERG,
        Display::Hidden => HIDDEN,
    };
    let lifetime = match instructions.lifetime {
        Lifetime::UntilCancelled => 0,
        Lifetime::Until(_) => UNTIL,
        Lifetime::Day(_) => DAY,
    };
    let one = |is_there: bool, bit: u64| if is_there { bit } else { 0 };
    display
        | lifetime
        | one(instructions.group != 0, GROUP)
        | one(!instructions.minimum.is_zero(), MINIMUM)
        | one(instructions.peg.is_some(), PEG)
        | one(!instructions.slippage.is_zero(), SLIPPAGE)
        | one(instructions.tag != 0, TAG)
        | one(instructions.link.is_some(), LINK)
}

fn put_more(out: &mut Vec<u8>, more: u64, instructions: &Instructions) {
    put_number(out, more);
    if instructions.group != 0 {
        put_number(out, u64::from(instructions.group));
    }
    if let Display::Iceberg(peak) = instructions.display {
        put_number(out, peak.0);
    }
    if !instructions.minimum.is_zero() {
        put_number(out, instructions.minimum.0);
    }
    if let Some(peg) = instructions.peg {
        out.push(PegReference::ALL.iter().position(|reference| *reference == peg.reference).unwrap_or(0) as u8);
        put_number(out, zigzag(peg.offset.cast_unsigned()));
    }
    if let Some(end) = instructions.lifetime.end() {
        out.extend_from_slice(&end.0.to_be_bytes());
    }
    if !instructions.slippage.is_zero() {
        put_number(out, u64::from(instructions.slippage.0));
    }
    if instructions.tag != 0 {
        put_number(out, instructions.tag);
    }
    if let Some(link) = instructions.link {
        put_number(out, link.list.0);
        // Orders are counted from 1.
        put_number(out, link.partner.map_or(0, |order| order.0));
        put_number(out, link.after.map_or(0, |order| order.0));
    }
}

pub fn instructions(row: &mut Row<'_>) -> Option<Instructions> {
    let flags = row.byte()?;
    let self_trade = *SelfTrade::ALL.get(usize::from(flags & (MORE - 1)))?;
    let trigger = match flags >> 4 {
        0 => None,
        1 => Some(Trigger::Rise(Price(row.number()?))),
        2 => Some(Trigger::Fall(Price(row.number()?))),
        3 => Some(Trigger::TrailRise(trail(row, share)?)),
        4 => Some(Trigger::TrailFall(trail(row, share)?)),
        5 => Some(Trigger::TrailRise(trail(row, ticks)?)),
        6 => Some(Trigger::TrailFall(trail(row, ticks)?)),
        _ => return None,
    };
    let plain = Instructions { self_trade, trigger, ..Instructions::default() };
    if flags & MORE == 0 { Some(plain) } else { asking_more(row, plain) }
}

fn share(number: u64) -> Option<Distance> {
    Some(Distance::Share(BasisPoints(u32::try_from(number).ok()?)))
}

fn ticks(number: u64) -> Option<Distance> {
    Some(Distance::Ticks(Price(number)))
}

fn trail(row: &mut Row<'_>, distance: impl Fn(u64) -> Option<Distance>) -> Option<Trail> {
    let distance = distance(row.number()?)?;
    let activation = match row.byte()? {
        0 => None,
        1 => Some(Activation::Rise(Price(row.number()?))),
        2 => Some(Activation::Fall(Price(row.number()?))),
        _ => return None,
    };
    Some(Trail { distance, activation })
}

fn asking_more(row: &mut Row<'_>, plain: Instructions) -> Option<Instructions> {
    let more = row.number()?;
    let mut instructions = plain;
    if more & GROUP != 0 {
        instructions.group = u32::try_from(row.number()?).ok()?;
    }
    if more & ICEBERG != 0 {
        instructions.display = Display::Iceberg(Quantity(row.number()?));
    } else if more & HIDDEN != 0 {
        instructions.display = Display::Hidden;
    }
    if more & MINIMUM != 0 {
        instructions.minimum = Quantity(row.number()?);
    }
    if more & PEG != 0 {
        let reference = *PegReference::ALL.get(usize::from(row.byte()?))?;
        instructions.peg = Some(Peg { reference, offset: unzigzag(row.number()?).cast_signed() });
    }
    if more & UNTIL != 0 {
        instructions.lifetime = Lifetime::Until(row.time()?);
    } else if more & DAY != 0 {
        instructions.lifetime = Lifetime::Day(row.time()?);
    }
    if more & SLIPPAGE != 0 {
        instructions.slippage = BasisPoints(u32::try_from(row.number()?).ok()?);
    }
    if more & TAG != 0 {
        instructions.tag = row.number()?;
    }
    if more & LINK != 0 {
        let list = OrderId(row.number()?);
        let mut order = || Some(Some(OrderId(row.number()?)).filter(|order| order.0 > 0));
        instructions.link = Some(Link { list, partner: order()?, after: order()? });
    }
    (more < LINK << 1).then_some(instructions)
}

#[cfg(test)]
mod tests {
    use rialto_engine::units::Nanos;

    use super::*;

    /// If this fails, [`super::super::FORMAT_NUMBER`] must change.
    #[test]
    fn the_written_bytes_are_these_and_read_back() {
        let plain = Instructions::default();
        let ticks = Trail { distance: Distance::Ticks(Price(300)), activation: Some(Activation::Rise(Price(7))) };
        let peg = Peg { reference: PegReference::Midpoint, offset: -3 };
        let link = Link { list: OrderId(5), partner: Some(OrderId(6)), after: None };
        let cases = [
            (Instructions { self_trade: SelfTrade::ExpireTaker, ..plain }, "01"),
            (Instructions { trigger: Some(Trigger::TrailRise(ticks)), ..plain }, "50ac020107"),
            (Instructions { trigger: Some(Trigger::TrailFall(ticks)), ..plain }, "60ac020107"),
            (Instructions { group: 300, ..plain }, "0801ac02"),
            (Instructions { display: Display::Iceberg(Quantity(9)), ..plain }, "080209"),
            (Instructions { display: Display::Hidden, minimum: Quantity(4), ..plain }, "080c04"),
            (Instructions { peg: Some(peg), ..plain }, "08100205"),
            (Instructions { lifetime: Lifetime::Until(Nanos(258)), ..plain }, "08200000000000000102"),
            (Instructions { lifetime: Lifetime::Day(Nanos(1)), ..plain }, "08400000000000000001"),
            (Instructions { slippage: BasisPoints(50), tag: 3, ..plain }, "0880033203"),
            (Instructions { trigger: Some(Trigger::Fall(Price(8))), link: Some(link), ..plain }, "28088004050600"),
        ];
        for (case, expected) in cases {
            let mut row = Vec::new();
            put_instructions(&mut row, &case);
            let text: String = row.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, expected, "{case:?}");
            assert_eq!(instructions(&mut Row(&row)), Some(case));
            assert_eq!(instructions(&mut Row(&row[..row.len() - 1])), None, "cut short: {case:?}");
        }
        assert_eq!(instructions(&mut Row(&[8, 128, 8])), None, "a bit that nobody knows");
    }
}
