use bytes::BufMut;
use store::BatchBuilder;

use super::*;

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("valid")
}

fn batch(seqs: std::ops::RangeInclusive<u64>) -> EventBatch {
    let mut builder = BatchBuilder::new(*seqs.start());
    for seq in seqs {
        builder.push(|bytes| bytes.put_slice(seq.to_string().as_bytes()));
    }
    builder.take()
}

fn signal(tail: u64) -> Signal {
    Signal { tail, ..Signal::default() }
}

fn news(number: u64, tail: u64) -> News {
    News {
        number,
        position: tail,
        queue: true,
        take_over: false,
        mail: false,
        tasks: vec![(id("t"), signal(tail))],
    }
}

fn seqs(page: Option<LogPage>) -> Option<Vec<u64>> {
    page.map(|page| page.events.iter().map(|event| event.seq).collect())
}

#[test]
fn what_is_kept_has_no_hole() {
    let followed = Followed::new();
    assert_eq!(seqs(followed.read(7)), None, "nobody knows yet where the task is");
    followed.keep(Arc::new(batch(1..=2)));
    followed.tell(signal(2));
    assert_eq!(seqs(followed.read(0)), Some(vec![1, 2]));
    assert_eq!(seqs(followed.read(2)), Some(vec![]), "there is nothing after it");
    followed.tell(signal(5));
    assert_eq!(seqs(followed.read(2)), None, "another server has written that");
    followed.keep(Arc::new(batch(5..=5)));
    assert_eq!((seqs(followed.read(2)), seqs(followed.read(4))), (None, Some(vec![5])));
    followed.keep(Arc::new(batch(3..=5)));
    assert_eq!(seqs(followed.read(4)), Some(vec![5]), "what comes late changes nothing");
}

#[test]
fn a_signal_never_goes_back() {
    let live = Live::new(0);
    let receiver = live.follow(&id("t")).subscribe();
    live.hear(&news(2, 7));
    live.hear(&news(1, 3));
    assert_eq!((*receiver.borrow(), *live.watch_feed().borrow()), (signal(7), 7));
}

#[test]
fn a_task_that_has_got_a_name_meanwhile_is_not_taken_for_the_one_that_had_it() {
    let live = Live::new(0);
    let receiver = live.follow(&id("t")).subscribe();
    live.apply_standing(&id("t"), 1, signal(3));
    assert_eq!(*receiver.borrow(), signal(3));
    live.apply_standing(&id("t"), 2, signal(9));
    assert_eq!(*receiver.borrow(), Signal { ended: true, ..signal(3) });
    assert!(live.find(&id("t")).is_none(), "who comes now follows the new one");
}

#[test]
fn places_of_the_feed_that_were_lost_are_not_waited_for() {
    let live = Live::new(0);
    live.hear(&news(1, 7));
    live.distrust(4);
    assert_eq!(*live.watch_feed().borrow(), 4);
    live.caught_up(1, 5);
    assert_eq!(*live.watch_feed().borrow(), 5);
}

#[test]
fn a_lost_message_is_noticed_and_an_own_one_wakes_once() {
    let live = Live::new(0);
    live.caught_up(4, 0);
    let mut queue = live.watch_queue();
    queue.borrow_and_update();
    live.committed(&news(5, 1), None);
    assert!(queue.has_changed().expect("open"));
    queue.borrow_and_update();
    assert!(!live.hear(&news(5, 1)), "nothing is missing");
    assert!(!queue.has_changed().expect("open"), "it was told already");
    assert!(live.hear(&news(7, 2)), "6 is missing");
    assert_eq!(live.last_heard(), 7);
}

#[test]
fn nobody_is_kept_for_whom_nobody_waits() {
    let live = Live::new(0);
    let receiver = live.follow(&id("t")).subscribe();
    live.follow(&id("u"));
    live.tidy();
    assert_eq!(live.followed(), [id("t")]);
    drop(receiver);
    live.tidy();
    assert_eq!(live.followed(), []);
}

#[test]
fn what_has_ended_stays_for_a_while_for_those_who_follow_it() {
    let live = Live::new(0);
    let receiver = live.follow(&id("t")).subscribe();
    let ended = Signal { ended: true, ..signal(1) };
    live.apply_signal(&id("t"), ended);
    assert_eq!(*live.follow(&id("t")).subscribe().borrow(), ended, "whoever comes shares it");
    for _ in 0..KEPT_FOR {
        live.tidy();
    }
    assert_eq!(live.followed(), [id("t")]);
    live.tidy();
    assert_eq!((live.followed(), *receiver.borrow()), (vec![], ended));
}

#[test]
fn what_has_ended_gives_way_to_another_of_its_name() {
    let live = Live::new(0);
    let first = live.follow(&id("t"));
    let ended = Signal { ended: true, ..signal(1) };
    assert!(first.is_of(1, signal(1)));
    first.tell(ended);
    assert_eq!(
        (first.is_of(1, ended), first.is_of(1, signal(0)), first.is_of(2, ended)),
        (true, false, false)
    );
    live.leave(&id("t"), &first);
    let second = live.follow(&id("t"));
    live.leave(&id("t"), &first);
    assert!(second.is_of(2, signal(0)) && Arc::ptr_eq(&live.follow(&id("t")), &second));
}

#[test]
fn what_is_no_more_has_ended_where_it_was_told_to_be() {
    let live = Live::new(0);
    let (told, untold) = (live.follow(&id("told")), live.follow(&id("untold")));
    told.tell(signal(3));
    live.apply_end(&id("told"));
    live.apply_end(&id("untold"));
    let ended = LogPage { events: vec![], complete: true };
    assert_eq!((told.read(3), untold.read(3)), (Some(ended), None));
}

#[test]
fn who_is_behind_finds_what_another_one_has_read_up_to_the_first_hole() {
    let followed = Followed::new();
    followed.tell(signal(20));
    followed.keep(Arc::new(batch(15..=20)));
    let _two = [followed.subscribe(), followed.subscribe()];
    followed.share(&[Arc::new(batch(1..=3))]);
    assert_eq!(seqs(followed.read(2)), None, "there is nobody else to share it with");
    let _third = followed.subscribe();
    followed.share(&[Arc::new(batch(1..=3)), Arc::new(batch(4..=5))]);
    followed.share(&[Arc::new(batch(7..=9))]);
    assert_eq!(seqs(followed.read(2)), Some(vec![3, 4, 5]));
    assert_eq!((seqs(followed.read(5)), seqs(followed.read(6))), (None, Some(vec![7, 8, 9])));
    assert_eq!(seqs(followed.read(14)), Some((15..=20).collect()), "the latest ones are still there");
}

#[test]
fn what_was_read_stays_while_it_is_needed_and_within_bounds() {
    let live = Live::new(0);
    let followed = live.follow(&id("t"));
    let _readers = [followed.subscribe(), followed.subscribe(), followed.subscribe()];
    followed.tell(signal(20));
    followed.keep(Arc::new(batch(15..=20)));
    followed.share(&[Arc::new(batch(1..=3))]);
    live.tidy();
    assert!(followed.read(0).is_some());
    live.tidy();
    assert!(followed.read(0).is_some(), "it was needed since");
    live.tidy();
    live.tidy();
    assert_eq!(followed.read(0), None);
    let heavy = |first: u64| {
        let mut builder = BatchBuilder::new(first);
        builder.push(|bytes| bytes.put_slice(&[b'x'; EARLIER_BYTES / 3]));
        Arc::new(builder.take())
    };
    let has = || [0, 1, 2, 3].map(|after| followed.read(after).is_some());
    followed.share(&[heavy(2), heavy(3), heavy(4)]);
    assert_eq!(has(), [false, false, true, true]);
    followed.share(&[heavy(1)]);
    assert_eq!(has(), [true, false, true, false], "who begins anew finds room");
    followed.share(&[heavy(1)]);
    assert_eq!(has(), [true, false, true, false], "the same once more takes no more room");
    live.distrust(0);
    assert_eq!((has(), seqs(followed.read(15))), ([false; 4], None));
}
