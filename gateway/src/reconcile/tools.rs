//! The accountant's offline tools: `rialto export` and `rialto reconcile`. They read a data directory that
//! no server is using, and bring its read store up to the end of its journal first.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use rialto_actors::directory::Directory;
use rialto_actors::exchange::Storage;
use rialto_actors::partition::recover;
use rialto_actors::zone::Zone;
use rialto_engine::ids::{RailId, TenantId};
use rialto_engine::units::Nanos;
use rialto_persistence::journal::sled::SledOptions;
use rialto_persistence::read_store::{CACHE_BYTES_DEFAULT, ReadStore};

use super::daily;
use super::day::Day;
use crate::config::Config;
use crate::export::{Format, TableWriter};
use crate::opened::with_opened_before;
use crate::query::names::Names;
use crate::query::tables::{Extract, Table};

/// What `rialto export` is to write.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    /// Where everything is kept.
    pub data: &'a Path,
    /// The configuration, for the tenant's clock.
    pub config: Option<&'a Path>,
    /// Whose.
    pub tenant: &'a str,
    /// Which table.
    pub table: Table,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// In which form.
    pub format: Format,
    /// The name of the one asset that is meant; all if there is none.
    pub asset: Option<&'a str>,
    /// Where it goes. The file is there when it is whole.
    pub out: &'a Path,
}

/// A data directory that is read.
struct Kept {
    store: ReadStore,
    directory: Arc<Directory>,
    rails: Vec<Arc<[String]>>,
    config: Option<Config>,
}

/// Writes a table of a tenant into a file.
///
/// # Errors
/// If the directory cannot be read, has no such tenant or asset, or the file cannot be written.
pub fn export(export: &Export<'_>) -> Result<(), String> {
    let kept = Kept::open(export.data, export.config)?;
    let tenant = kept.directory.tenant_named(export.tenant);
    let tenant = tenant.ok_or_else(|| format!("there is no tenant \"{}\"", export.tenant))?;
    let named = |name: &str| tenant.asset_named(name).ok_or_else(|| format!("the tenant has no asset \"{name}\""));
    let asset = export.asset.map(named).transpose()?;
    let zone = kept.zone(&tenant.name);
    let (from, to) = (export.from.bounds(&zone).0, Nanos(export.to.bounds(&zone).1.0 - 1));
    if export.to < export.from {
        return Err("the last day lies before the first".to_owned());
    }
    let (extract, names) = (Extract { table: export.table, from, to, asset }, kept.names(tenant.id));
    let part = export.out.with_extension("part");
    let failed = |error: io::Error| format!("{}: {error}", part.display());
    let written: Result<u64, String> = (|| {
        let sink = BufWriter::new(File::create(&part).map_err(failed)?);
        let columns = export.table.columns();
        let writer = TableWriter::begin(export.format, columns, extract.scale(&names), sink);
        let mut writer = writer.map_err(|error| error.to_string())?;
        let rows = extract.write(&kept.store, &names, &mut writer).map_err(|error| error.to_string())?;
        let sink = writer.finish().map_err(|error| error.to_string())?;
        sink.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        std::fs::rename(&part, export.out).map_err(failed)?;
        Ok(rows)
    })();
    if written.is_err() {
        std::fs::remove_file(&part).ok();
    }
    let rows = written?;
    writeln!(io::stderr(), "{rows} rows in {}", export.out.display()).map_err(|error| error.to_string())
}

/// Proves a day of one tenant, or of all that do not only try things out; a report for each, as a JSON line on
/// standard output, and as comma-separated values in a file. Gives whether all of them hold.
///
/// # Errors
/// If the directory cannot be read, has no such tenant, or the reports cannot be written.
pub fn reconcile(
    data: &Path,
    config: Option<&Path>,
    day: Day,
    tenant: Option<&str>,
    csv: Option<&Path>,
) -> Result<bool, String> {
    let kept = Kept::open(data, config)?;
    if let Some(name) = tenant.filter(|name| kept.directory.tenant_named(name).is_none()) {
        return Err(format!("there is no tenant \"{name}\""));
    }
    let is_meant = |name: &str| tenant.map_or(!kept.is_shadow(name), |wanted| wanted == name);
    let mut table =
        csv.map(|path| File::create(path).map_err(|error| format!("{}: {error}", path.display()))).transpose()?;
    let mut holds = true;
    for entry in kept.directory.tenants().iter().filter(|entry| is_meant(&entry.name)) {
        let report = daily::report(&kept.store, entry.id, day, &kept.zone(&entry.name));
        let report = report.map_err(|error| error.to_string())?;
        holds &= report.wrong == 0;
        let names = kept.names(entry.id);
        let mut line = Vec::new();
        daily::write_json(&mut line, &names, &entry.name, day, &report);
        line.push(b'\n');
        io::stdout().write_all(&line).map_err(|error| error.to_string())?;
        if let Some(file) = table.take() {
            table = Some(daily::write_csv(file, &names, day, &report).map_err(|error| error.to_string())?);
        }
    }
    Ok(holds)
}

impl Kept {
    fn open(data: &Path, config: Option<&Path>) -> Result<Self, String> {
        if !data.join("journal").is_dir() {
            return Err(format!("{} holds no journal", data.display()));
        }
        let config = config.map(|path| Config::read(path).map_err(|error| error.to_string())).transpose()?;
        let config = config.map(|config| with_opened_before(config, data)).transpose()?;
        let storage = Storage::Directory { path: data.to_owned(), journal: SledOptions::default() };
        let store = storage.open_read_store(CACHE_BYTES_DEFAULT).map_err(|error| error.to_string())?;
        let recovered = recover(&storage, store.clone()).map_err(|error| error.to_string())?;
        let rails = recovered.world.tenants.iter().map(|tenant| {
            let numbers = (0..tenant.wallet.rails()).map(|number| RailId(u16::try_from(number).unwrap_or(u16::MAX)));
            numbers
                .map(|rail| tenant.wallet.rail(rail).map_or_else(String::new, |(name, _)| name.to_string()))
                .collect()
        });
        Ok(Self {
            rails: rails.collect(),
            directory: Arc::new(Directory::of(&recovered.world)),
            store: store.ok_or("the directory has no read store")?,
            config,
        })
    }

    fn names(&self, tenant: TenantId) -> Names {
        let rails = self.rails.get(tenant.0 as usize).cloned().unwrap_or_else(|| Arc::new([]));
        Names::Kept(Arc::clone(&self.directory), tenant, rails)
    }

    fn zone(&self, tenant: &str) -> Zone {
        let setups = self.config.iter().flat_map(|config| &config.setup.tenants);
        setups.filter(|setup| setup.name == tenant).map(|setup| setup.zone.clone()).next().unwrap_or_default()
    }

    fn is_shadow(&self, tenant: &str) -> bool {
        self.config.as_ref().is_some_and(|config| config.shadows.contains(tenant))
    }
}
