//! The gateway of now.
//!
//! What is open changes while the server runs. A [`Gateway`] never does: whoever holds one sees tenants,
//! assets and markets as they were together at one moment, for as long as his request takes. When an operator
//! has opened something, there is another gateway, which shares with the one before it whatever is counted or
//! kept, and requests that begin from then on are answered by it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::gateway::Gateway;

/// Where the gateway of now is found. Cheap to clone.
#[derive(Clone)]
pub struct Generations {
    newest: Arc<watch::Sender<Arc<Gateway>>>,
}

impl Generations {
    /// With the first one.
    #[must_use]
    pub fn new(first: Arc<Gateway>) -> Self {
        Self { newest: Arc::new(watch::Sender::new(first)) }
    }

    /// The gateway of now.
    #[must_use]
    pub fn newest(&self) -> Arc<Gateway> {
        Arc::clone(&self.newest.borrow())
    }

    /// From now on it is this one. Whoever must know waits for it with [`Self::subscribe`].
    pub fn renew(&self, gateway: Gateway) {
        self.newest.send_replace(Arc::new(gateway));
    }

    /// Tells whenever there is another one.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Gateway>> {
        self.newest.subscribe()
    }
}
