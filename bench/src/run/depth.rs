//! Watches the depth streams for holes: every event must begin where the last one ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Endpoint;

/// What was seen of one market's depth stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Such as `acme/USDCNY`.
    pub market: String,
    /// Events.
    pub events: u64,
    /// Events that did not begin behind their predecessor.
    pub gaps: u64,
    /// The last update id seen.
    pub last_update_id: u64,
    /// Connections lost; a new one begins anew and counts no gap.
    pub disconnects: u64,
}

#[derive(Deserialize)]
struct Combined {
    data: Update,
}

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "U")]
    first: u64,
    #[serde(rename = "u")]
    last: u64,
}

impl Depth {
    /// Hears an event; `is_first` after a new connection.
    fn hear(&mut self, update: &Update, is_first: bool) {
        self.events += 1;
        let follows = update.first == self.last_update_id + 1 && update.last >= update.first;
        if !follows && !is_first {
            self.gaps += 1;
        }
        self.last_update_id = update.last;
    }
}

/// Watches until it is aborted, across disconnects.
pub async fn watch(endpoint: Endpoint, tenant: String, symbol: String, depths: Arc<Mutex<Vec<Depth>>>, index: usize) {
    let url = endpoint.stream_url(&tenant, &format!("{}@depth@100ms", symbol.to_lowercase()));
    loop {
        if let Ok(mut socket) = endpoint.open(&url).await {
            let mut is_first = true;
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else {
                    continue;
                };
                if let Ok(combined) = serde_json::from_str::<Combined>(&text) {
                    let mut depths = depths.lock().unwrap_or_else(PoisonError::into_inner);
                    depths[index].hear(&combined.data, is_first);
                    is_first = false;
                }
            }
        }
        depths.lock().unwrap_or_else(PoisonError::into_inner)[index].disconnects += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hole_is_a_gap() {
        let mut depth = Depth::default();
        depth.hear(&Update { first: 5, last: 9 }, true);
        depth.hear(&Update { first: 10, last: 10 }, false);
        assert_eq!(depth.gaps, 0);
        depth.hear(&Update { first: 12, last: 13 }, false);
        depth.hear(&Update { first: 13, last: 14 }, false);
        assert_eq!((depth.events, depth.gaps, depth.last_update_id), (4, 2, 14));
        depth.hear(&Update { first: 90, last: 91 }, true);
        assert_eq!(depth.gaps, 2);
    }
}
