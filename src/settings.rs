//! The settings of a server, and what of them is for its storage.

use crate::directory::Found;
use crate::{Start, config};
use redoubt_embedded::EmbeddedOptions;
use redoubt_io::{Choice, IoMethod};
use redoubt_node::ShardOptions;
use redoubt_protocol::VolumeGeometry;
use redoubt_session::settings::{Parameter, Settings, Source};
use redoubt_wire::{DEFAULT_HBA_FILE, HbaRules, Rules, Tls};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// Settings in order of weight (defaults, the configuration file, the command line), and who may connect.
pub(crate) fn load(start: &Start, found: &Found) -> Result<(Settings, Rules), String> {
    if *found == Found::Cluster && start.segment_pages.is_some() {
        let directory = start.directory.display();
        return Err(format!(
            "directory \"{directory}\" holds a volume already; --segment-pages is for a new one"
        ));
    }
    load_all(start, *found == Found::Cluster)
}

/// The same for a server that runs.
pub(crate) fn load_again(start: &Start) -> Result<(Settings, Rules), String> {
    load_all(start, true)
}

/// The files are there unless the directory is still to be made.
fn load_all(start: &Start, made: bool) -> Result<(Settings, Rules), String> {
    let mut settings = Settings::default();
    if made {
        load_file(&mut settings, &start.directory)?;
    }
    load_arguments(&mut settings, &start.settings)?;
    if let Some(port) = start.port {
        set(&mut settings, "port", &port.to_string(), Source::CommandLine, "")?;
    }
    if !start.listen.is_empty() {
        let addresses: Vec<String> = start.listen.iter().map(IpAddr::to_string).collect();
        set(&mut settings, "listen_addresses", &addresses.join(","), Source::CommandLine, "")?;
    }
    settings.set_fact(Parameter::DataDirectory, &start.directory.display().to_string());
    for (fact, name) in [(Parameter::ConfigFile, "postgresql.conf"), (Parameter::HbaFile, "pg_hba.conf")] {
        settings.set_fact(fact, &start.directory.join(name).display().to_string());
    }
    settings.set_fact(Parameter::DebugAssertions, if cfg!(debug_assertions) { "on" } else { "off" });
    let rules = load_rules(&start.directory, &settings, made)?;
    Ok((settings, rules))
}

/// Who may connect, and the certificate they may see.
fn load_rules(directory: &Path, settings: &Settings, made: bool) -> Result<Rules, String> {
    let place = |parameter| directory.join(settings.text(parameter));
    let hba = match made {
        false => HbaRules::parse(DEFAULT_HBA_FILE).expect("the default rules are valid"),
        true => {
            let path = directory.join("pg_hba.conf");
            HbaRules::parse(&read(&path)?).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let tls = match settings.bool(Parameter::Ssl) {
        true => Some(Tls::load(&place(Parameter::SslCertFile), &place(Parameter::SslKeyFile))?),
        false => None,
    };
    Ok(Rules { hba, tls })
}

/// The settings of a storage node: the cluster's configuration file, which is there once a cluster is being made, and
/// its own command line.
pub(crate) fn load_for_node(directory: &Path, arguments: &[String]) -> Result<Settings, String> {
    let mut settings = Settings::default();
    load_file(&mut settings, directory)?;
    load_arguments(&mut settings, arguments)?;
    Ok(settings)
}

fn load_file(settings: &mut Settings, directory: &Path) -> Result<(), String> {
    let path = directory.join("postgresql.conf");
    let text = read(&path)?;
    for assignment in config::parse(&text).map_err(|error| format!("{}: {error}", path.display()))? {
        let place = format!("{}: ", path.display());
        set(settings, &assignment.name, &assignment.value, Source::ConfigurationFile, &place)?;
    }
    Ok(())
}

fn load_arguments(settings: &mut Settings, arguments: &[String]) -> Result<(), String> {
    for argument in arguments {
        let assignment = config::parse_argument(argument)?;
        set(settings, &assignment.name, &assignment.value, Source::CommandLine, "")?;
    }
    Ok(())
}

fn set(settings: &mut Settings, name: &str, value: &str, source: Source, place: &str) -> Result<(), String> {
    settings.set_base(name, value, source).map_err(|error| format!("{place}{}", error.message()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("could not read \"{}\": {error}", path.display()))
}

/// The device that storage nodes in this process use. Asks the kernel and touches nothing.
pub(crate) fn device(settings: &Settings) -> Result<Choice, String> {
    let name = settings.text(Parameter::IoMethod);
    let method = IoMethod::from_name(name).expect("the setting takes no other names");
    method.choose().map_err(|reason| format!("redoubt.io_method is {name}, but {reason}"))
}

/// How storage nodes use their log.
pub(crate) fn shard_options(settings: &Settings) -> Result<ShardOptions, String> {
    let bytes = |parameter| settings.int(parameter) as u64 * 1024;
    let defaults = ShardOptions::default();
    let (log_bytes, lazy_bytes) = (bytes(Parameter::LogSize), bytes(Parameter::LogLazySize));
    // Beyond half of the ring, images would be made only when there is hardly any space left to wait in.
    if lazy_bytes > log_bytes / 2 {
        return Err("redoubt.log_lazy_size is more than half of redoubt.log_size".into());
    }
    let lazy_chunks = (lazy_bytes / defaults.chunk_bytes as u64) as usize;
    Ok(ShardOptions { log_bytes, lazy_chunks, ..defaults })
}

/// How an embedded cluster is made and run.
pub(crate) fn embedded_options(
    start: &Start,
    settings: &Settings,
    device: &Choice,
) -> Result<EmbeddedOptions, String> {
    Ok(EmbeddedOptions {
        segment_pages: start.segment_pages.unwrap_or(VolumeGeometry::DEFAULT_SEGMENT_PAGES),
        shard: shard_options(settings)?,
        device: device.device,
        ..EmbeddedOptions::default()
    })
}
