//! The day of the tenant, proven: `GET reconciliation`.

use std::sync::Arc;

use rialto_persistence::read_store::ReadStore;

use super::names::Names;
use super::{AccountingCall, begin};
use crate::error::ApiError;
use crate::payments::view::key;
use crate::reconcile::daily;

impl AccountingCall<'_> {
    /// `GET reconciliation`: of the day `date`.
    pub(super) async fn reconciliation(&self) -> Result<Vec<u8>, ApiError> {
        self.params.only(&["date"])?;
        let day = self.date()?.ok_or_else(|| ApiError::mandatory("date"))?;
        let (tenant, zone) = (self.tenant(), self.gateway().zone(self.tenant()));
        let read = move |store: &ReadStore| daily::report(store, tenant, day, &zone);
        let names = Names::Live(Arc::clone(self.gateway()), tenant);
        self.tell(read, move |view, position, report| {
            let mut out = begin(position);
            key(&mut out, "report");
            let name = view.gateway.tenant(tenant)?.name.as_str();
            daily::write_json(&mut out, &names, name, day, &report);
            out.push(b'}');
            Ok(out)
        })
        .await
    }
}
