//! Links over loopback sockets: batches, limits, ends, and what was never begun.

mod tls;

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::dialect::Dialect;
use crate::framing::Head;

/// Remembers what it is told.
#[derive(Default)]
struct Floor {
    told: Mutex<Vec<Told>>,
    changed: Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Up(u64),
    Frames(u64, Vec<Bytes>),
    Begun(Vec<u32>),
    Down(u64),
}

impl Floor {
    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.changed.notify_one();
    }

    /// Waits until something that fits was told.
    async fn heard<T>(&self, fits: impl Fn(&Told) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let found = self.told.lock().unwrap().iter().find_map(&fits);
                if let Some(found) = found {
                    return found;
                }
                self.changed.notified().await;
            }
        };
        timeout(Duration::from_secs(20), waiting).await.unwrap()
    }

    async fn hears_up(&self) -> u64 {
        self.heard(|told| if let Told::Up(id) = told { Some(*id) } else { None }).await
    }

    async fn hears_down(&self, id: u64) {
        self.heard(|told| (*told == Told::Down(id)).then_some(())).await;
    }
}

impl Upstairs for Floor {
    type Mark = u32;

    fn up(&self, session: &Arc<Session<u32>>) {
        self.tell(Told::Up(session.id()));
    }

    fn frames(&self, session: &Arc<Session<u32>>, frames: &mut Vec<Frame>) {
        let bodies = frames.drain(..).map(|frame| frame.body).collect();
        self.tell(Told::Frames(session.id(), bodies));
    }

    fn begun(&self, marks: &mut Vec<u32>) {
        self.tell(Told::Begun(std::mem::take(marks)));
    }

    fn down(&self, session: &Arc<Session<u32>>) {
        self.tell(Told::Down(session.id()));
    }

    async fn room(&self) {}
}

type Change = fn(&mut Settings);

fn settings(way: Way) -> Settings {
    Settings {
        name: "test".to_owned(),
        id: LinkId(1),
        way,
        framing: framing::Settings { frame_len_max: 1000, ..framing::Settings::default() },
        measure: Arc::new(Dialect::shipped("iso87-bcd").unwrap()),
        outbox_bytes_max: 1 << 20,
        idle_ms_max: None,
        frame_ms_max: 10_000,
        stall_ms_max: 10_000,
        tls: None,
        edition: 0,
        list: 0,
    }
}

fn listening(change: impl FnOnce(&mut Settings)) -> (Arc<Floor>, Arc<Links<Floor>>, SocketAddr) {
    let floor = Arc::new(Floor::default());
    let links = Links::new(Arc::clone(&floor), TaskTracker::new());
    let address = "127.0.0.1:0".parse().unwrap();
    let mut settings = settings(Way::Listen { address, sessions_max: 2 });
    change(&mut settings);
    let address = links.open(settings).unwrap().unwrap();
    (floor, links, address)
}

/// Whether the other end closes without a word.
async fn closes(mut socket: TcpStream) {
    let read = timeout(Duration::from_secs(20), socket.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_batch_up_and_an_answer_down() {
    let (floor, links, address) = listening(|_| {});
    let mut peer = TcpStream::connect(address).await.unwrap();
    let id = floor.hears_up().await;
    peer.write_all(b"\0\x02ab\0\0\0\x01c\0\x03de").await.unwrap();
    let bodies = floor
        .heard(|told| if let Told::Frames(_, bodies) = told { Some(bodies.clone()) } else { None })
        .await;
    assert_eq!(bodies, ["ab", "c"]);
    let session = links.session(id).unwrap();
    session.post(Head::NONE, b"one", Some(1));
    session.post(Head::NONE, b"two", None);
    session.wake();
    let mut heard = [0; 10];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"\0\x03one\0\x03two");
    floor.heard(|told| (*told == Told::Begun(vec![1])).then_some(())).await;
    assert_eq!(links.snapshot().len(), 1);
    drop(peer);
    floor.hears_down(id).await;
    session.post(Head::NONE, b"late", Some(2));
    assert_eq!(session.never_begun(), [2]);
    assert_eq!((links.snapshot().len(), links.sessions_open()), (0, 0));
    links.forget(id);
    assert!(links.session(id).is_none());
}

#[tokio::test]
async fn what_was_posted_before_the_end_still_leaves() {
    let (floor, links, address) = listening(|_| {});
    let mut peer = TcpStream::connect(address).await.unwrap();
    let session = links.session(floor.hears_up().await).unwrap();
    session.post(Head::NONE, b"bye", Some(1));
    session.end("enough");
    session.post(Head::NONE, b"not this", Some(2));
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"\0\x03bye");
    floor.hears_down(session.id()).await;
    assert_eq!(session.never_begun(), [2]);
}

#[tokio::test]
async fn garbage_slow_frames_and_silence_cost_the_connection_only() {
    let cases: [(&[u8], Change); 3] = [
        (b"\xFF\xFFxx", |_| {}),
        (b"\0\x05abc", |settings| settings.frame_ms_max = 30),
        (b"\0\x01a", |settings| settings.idle_ms_max = Some(30)),
    ];
    for (bytes, change) in cases {
        let (floor, links, address) = listening(change);
        let mut peer = TcpStream::connect(address).await.unwrap();
        let id = floor.hears_up().await;
        peer.write_all(bytes).await.unwrap();
        closes(peer).await;
        floor.hears_down(id).await;
        let again = TcpStream::connect(address).await.unwrap();
        floor.heard(|told| (*told == Told::Up(id + 1)).then_some(())).await;
        assert_eq!(links.sessions_open(), 1);
        drop(again);
    }
}

/// Each ends in time, and a part of the next is there already: none is slow.
#[tokio::test]
async fn keep_alives_that_arrive_in_parts_end_no_session() {
    let (floor, links, address) = listening(|settings| settings.frame_ms_max = 1000);
    let mut peer = TcpStream::connect(address).await.unwrap();
    floor.hears_up().await;
    peer.write_all(b"\0").await.unwrap();
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        peer.write_all(b"\0\0").await.unwrap();
    }
    peer.write_all(b"\x02ab").await.unwrap();
    let bodies = floor
        .heard(|told| if let Told::Frames(_, bodies) = told { Some(bodies.clone()) } else { None })
        .await;
    assert_eq!(bodies, ["ab"]);
    assert_eq!(links.sessions_open(), 1);
    // What is begun and not ended still is.
    peer.write_all(b"\0").await.unwrap();
    closes(peer).await;
}

#[tokio::test]
async fn one_session_too_many_is_closed_and_the_listener_stays() {
    let (floor, links, address) = listening(|_| {});
    let first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    floor.heard(|told| (*told == Told::Up(2)).then_some(())).await;
    closes(TcpStream::connect(address).await.unwrap()).await;
    drop(first);
    floor.heard(|told| matches!(told, Told::Down(_)).then_some(())).await;
    let _third = TcpStream::connect(address).await.unwrap();
    floor.heard(|told| (*told == Told::Up(3)).then_some(())).await;
    assert_eq!(links.sessions_open(), 2);
}

#[tokio::test]
async fn a_peer_that_does_not_read() {
    let cases: [Change; 2] =
        [|settings| settings.stall_ms_max = 50, |settings| settings.outbox_bytes_max = 100_000];
    for change in cases {
        let (floor, links, address) = listening(change);
        let _peer = TcpStream::connect(address).await.unwrap();
        let session = links.session(floor.hears_up().await).unwrap();
        // More than the kernel's buffers take.
        let stalled = async {
            loop {
                session.post(Head::NONE, &[0; 900], Some(7));
                session.wake();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = floor.hears_down(session.id()) => {}
            () = stalled => {}
        }
        assert!(session.never_begun().len() > 1);
    }
}

/// The kernel ends a session when this has passed and a single keep-alive was lost: on a link that listens it must let all of
/// them be tried, while whoever is dialled may be dialled again.
#[tokio::test]
async fn the_kernel_tries_all_keep_alives_of_an_idle_peer() {
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = Way::Dial { addresses: Vec::new(), sessions: 1 };
    let listen = Way::Listen { address: here.local_addr().unwrap(), sessions_max: 1 };
    for (way, stall_ms_max, unheard_ms) in
        [(dial.clone(), 10_000, 10_000), (listen.clone(), 10_000, 60_000), (listen, 90_000, 90_000)]
    {
        let link = link_of(Settings { stall_ms_max, ..settings(way) });
        let stream = TcpStream::connect(here.local_addr().unwrap()).await.unwrap();
        let met = socket::meet(&link, stream, "").await.unwrap();
        let socket::Stream::Clear(stream) = met.stream else { panic!("encrypted") };
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&stream), Ok(unheard_ms));
        assert_eq!(rustix::net::sockopt::tcp_keepidle(&stream), Ok(Duration::from_secs(30)));
    }
}

/// A link of its own, without tasks.
fn link_of(settings: Settings) -> Link<Floor> {
    Link {
        links: Links::new(Arc::new(Floor::default()), TaskTracker::new()),
        settings,
        meter: LinkMeter::new("test"),
        hush: Hush::default(),
        comings: Hush::default(),
        open: Arc::default(),
        doors: watch::channel(true).1,
        over: CancellationToken::new(),
    }
}

#[tokio::test]
async fn dialled_in_turn_and_again() {
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = [&nobody, &here].map(|at| at.local_addr().unwrap().to_string()).to_vec();
    drop(nobody);
    let floor = Arc::new(Floor::default());
    let links = Links::new(Arc::clone(&floor), TaskTracker::new());
    assert!(links.open(settings(Way::Dial { addresses, sessions: 1 })).unwrap().is_none());
    let (first, _) = here.accept().await.unwrap();
    let id = floor.hears_up().await;
    drop(first);
    floor.hears_down(id).await;
    let (second, _) = here.accept().await.unwrap();
    floor.heard(|told| (*told == Told::Up(id + 1)).then_some(())).await;
    links.end_all("over");
    closes(second).await;
    links.tasks.close();
    timeout(Duration::from_secs(20), links.tasks.wait()).await.unwrap();
}

/// Other settings for those who come, and then for those who are there.
#[tokio::test]
async fn renewed_while_sessions_stand() {
    let (floor, links, address) = listening(|_| {});
    let mut first = TcpStream::connect(address).await.unwrap();
    let id = floor.hears_up().await;
    let wanted = "127.0.0.1:0".parse().unwrap();
    let way = |sessions_max| Way::Listen { address: wanted, sessions_max };
    assert_eq!(links.renew(settings(way(1)), None), Some(address));
    closes(TcpStream::connect(address).await.unwrap()).await;
    first.write_all(b"\0\x03abc").await.unwrap();
    floor.heard(|told| matches!(told, Told::Frames(of, _) if *of == id).then_some(())).await;
    assert_eq!(links.session(id).map(|session| session.edition()), Some(0));
    // Of another edition nobody goes on as he was; the address stays.
    let anew = Settings { edition: 1, list: 1, ..settings(way(2)) };
    assert_eq!(links.renew(anew, None), Some(address));
    closes(first).await;
    floor.hears_down(id).await;
    let second = TcpStream::connect(address).await.unwrap();
    floor.heard(|told| matches!(told, Told::Up(of) if *of > id).then_some(())).await;
    assert!(
        links.session(id + 1).is_some_and(|session| (session.edition(), session.list()) == (1, 1))
    );
    // Shut, and another link at the same address.
    let bound = links.bound(LinkId(1)).unwrap();
    links.shut(LinkId(1));
    closes(second).await;
    let other = Settings { id: LinkId(2), name: "other".to_owned(), ..settings(way(2)) };
    assert_eq!(links.open_at(other, Some(bound)), Some(address));
    drop(TcpStream::connect(address).await.unwrap());
    floor.heard(|told| matches!(told, Told::Up(of) if *of > id + 1).then_some(())).await;
    assert_eq!((links.listens_at(LinkId(1)), links.listens_at(LinkId(2))), (None, Some(address)));
}
