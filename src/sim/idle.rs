//! Terminals that stand idle, thousands at once, and some of them that drip a byte a second: what holding them costs a switch.
//! Knows no messages.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::link::{Duplex, Tls, host_of};

use super::process::resident_kib;
use super::{Place, SimError};

/// What is to be held.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the switch listens, host:port.
    pub connect: String,
    /// How they encrypt; none for in the clear.
    pub tls: Option<Tls>,
    /// How many there are.
    pub connections: u32,
    /// How many of them send a byte a second.
    pub slow: u32,
    /// Which byte: several of it have to be a frame without a message.
    pub byte: u8,
    /// For how long all of them are held, seconds.
    pub seconds: u32,
    /// The switch's process, for its memory.
    pub pid: Option<u32>,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many were met.
    pub met: u32,
    /// How many of those the switch ended while they were held.
    pub ended: u32,
}

/// How many are met at once: a switch has other things to do than handshakes.
const AT_ONCE: usize = 32;

/// What the terminals share.
struct Crowd {
    settings: Settings,
    door: Semaphore,
    met: AtomicU32,
    ended: AtomicU32,
}

/// Meets all of them, holds them, and says on `out` what it cost.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| SimError::System { what: "a runtime", source })?;
    runtime.block_on(hold(settings, out))
}

async fn hold(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let mut say = |line: String| {
        let told = writeln!(out, "{line}").and_then(|()| out.flush());
        told.map_err(|source| SimError::System { what: "standard output", source })
    };
    let before = settings.pid.and_then(resident_kib);
    let crowd = Arc::new(Crowd {
        settings: settings.clone(),
        door: Semaphore::new(AT_ONCE),
        met: AtomicU32::new(0),
        ended: AtomicU32::new(0),
    });
    let (begin, begun) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for number in 0..settings.connections {
        tasks.spawn(stand(Arc::clone(&crowd), number, begun.clone()));
    }
    // Whoever is met waits for all the others.
    while (crowd.met.load(Ordering::Relaxed) as usize) < tasks.len() {
        if let Some(Ok(Err(fault))) = tasks.try_join_next() {
            return Err(fault);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let met = crowd.met.load(Ordering::Relaxed);
    say(format!("{met} stand after {} ms", began.elapsed().as_millis()))?;
    let with = settings.pid.and_then(resident_kib);
    if let Some((before, with)) = before.zip(with) {
        let each = with.saturating_sub(before) / u64::from(met.max(1));
        say(format!(
            "the switch has {with} KiB in memory, and had {before} before: {each} KiB for each"
        ))?;
    }
    // Nobody listens when all of them have ended already, and the count says so.
    begin.send(true).ok();
    tokio::time::sleep(Duration::from_secs(settings.seconds.into())).await;
    let ended = crowd.ended.load(Ordering::Relaxed);
    let slow = settings.slow.min(met);
    say(format!(
        "held for {} s, {slow} of them with a byte a second: {ended} ended",
        settings.seconds
    ))?;
    Ok(Verdict { met, ended })
}

/// One terminal, from its handshake on.
async fn stand(
    crowd: Arc<Crowd>,
    number: u32,
    mut begun: watch::Receiver<bool>,
) -> Result<(), SimError> {
    let mut stream = {
        // The door is never closed.
        let _turn = crowd.door.acquire().await;
        meet(&crowd.settings).await?
    };
    crowd.met.fetch_add(1, Ordering::Relaxed);
    if begun.wait_for(|begun| *begun).await.is_err() {
        return Ok(());
    }
    let drips = number < crowd.settings.slow;
    // Not all in the same moment.
    let first = Duration::from_millis(u64::from(number % 1000));
    let mut next = Instant::now() + if drips { first } else { NEVER };
    let mut heard = [0; 64];
    loop {
        let standing = tokio::select! {
            read = stream.read(&mut heard) => read.is_ok_and(|len| 0 < len),
            () = tokio::time::sleep_until(next) => {
                next += if drips { Duration::from_secs(1) } else { NEVER };
                !drips || drip(&mut stream, crowd.settings.byte).await.is_ok()
            }
        };
        if !standing {
            crowd.ended.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
    }
}

const NEVER: Duration = Duration::from_hours(24);

async fn drip(stream: &mut Box<dyn Duplex>, byte: u8) -> std::io::Result<()> {
    stream.write_all(&[byte]).await?;
    stream.flush().await
}

async fn meet(settings: &Settings) -> Result<Box<dyn Duplex>, SimError> {
    let place = settings.connect.clone();
    let stream = Place::Dial(place.clone()).dial(Duration::from_secs(5)).await?;
    let refused = |source| SimError::Socket { place: place.clone(), source };
    stream.set_nodelay(true).map_err(refused)?;
    match &settings.tls {
        None => Ok(Box::new(stream)),
        Some(tls) => {
            let met = tls.encrypt(stream, host_of(&place)).await;
            met.map_err(|why| SimError::Tls { place, why })
        }
    }
}
