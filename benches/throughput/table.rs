//! All arms under one load after the other, and what they come to over `hand`.

use crate::{
    Bench, Result,
    arm::{ARMS, Arm},
    load::{self, Load, Mix, Sample},
    options::Part,
    plot::{Bar, Field},
    rounds::{Estimate, interleave},
    summary::Summary,
};

const READS: Mix = Mix { writes: 0, long: 0 };
const WRITES: Mix = Mix {
    writes: 10,
    long: 0,
};

const MIXES: [(&str, Mix); 3] = [
    ("reads", READS),
    ("90 % reads, 10 % writes", WRITES),
    ("reads, 1 % of them long", Mix { writes: 0, long: 1 }),
];

pub(crate) fn measure(bench: &Bench<'_>, part: Part, summary: &mut Summary) -> Result<()> {
    for &tasks in &bench.options.tasks {
        for (name, mix) in MIXES {
            println!(
                "{name}, {tasks} task(s), {} rounds of {:?}",
                bench.options.rounds, bench.options.slice
            );
            let samples = interleave(bench.options.rounds, ARMS.len(), |arm, round| {
                let load = Load { tasks, mix, round };
                bench.runtime.block_on(load::run(bench, ARMS[arm], load))
            })?;
            let table = Table { samples: &samples };
            table.print();
            summary.stale += table.stale();
            let commit = if part == Part::CommitOn {
                ""
            } else {
                ", asynchronous commit"
            };
            summary.fields.push(Field {
                title: format!("{name}, {tasks} task(s){commit}"),
                bars: table.bars(),
            });
            if part == Part::CommitOn {
                table.note(tasks, mix, summary);
            }
        }
    }
    Ok(())
}

/// The samples of every arm, one a round.
struct Table<'a> {
    samples: &'a [Vec<Sample>],
}

impl Table<'_> {
    fn of(&self, arm: Arm, figure: fn(&Sample) -> f64) -> impl Iterator<Item = f64> {
        let place = ARMS.iter().position(|one| *one == arm).unwrap_or_default();
        self.samples[place].iter().map(figure)
    }

    fn over(&self, arm: Arm, under: Arm, figure: fn(&Sample) -> f64) -> Estimate {
        Estimate::of_ratios(self.of(arm, figure), self.of(under, figure))
    }

    /// Stale reads of the handles that promise that there are none.
    fn stale(&self) -> u64 {
        let promise = [Arm::Routed, Arm::RoutedWide, Arm::Wait, Arm::Sessions];
        let arms = ARMS.iter().zip(self.samples);
        let of_ours = arms.filter(|(arm, _)| promise.contains(arm));
        of_ours
            .flat_map(|(_, samples)| samples)
            .map(|one| one.stale)
            .sum()
    }

    fn bars(&self) -> Vec<Bar> {
        let bar = |arm: &Arm| Bar {
            arm: arm.name(),
            throughput: self.over(*arm, Arm::Hand, |one| one.per_second),
            p99: self.over(*arm, Arm::Hand, |one| one.p99_micros),
        };
        ARMS.iter().map(bar).collect()
    }

    fn print(&self) {
        println!(
            "  {:<28}{:>9}  {:<22}{:>8}  {:<22}{:>7}  {:<22}{:>8}  {:<22}{:>6} {:>6} {:>6}",
            "",
            "per s",
            "of hand",
            "CPU µs",
            "of hand",
            "p50 µs",
            "of hand",
            "p99 µs",
            "of hand",
            "share",
            "own",
            "stale"
        );
        for (arm, samples) in ARMS.iter().zip(self.samples) {
            let median =
                |figure: fn(&Sample) -> f64| Estimate::of(samples.iter().map(figure)).median;
            let ratio = |figure| self.over(*arm, Arm::Hand, figure).to_string();
            println!(
                "  {:<28}{:>9.0}  {:<22}{:>8.1}  {:<22}{:>7.0}  {:<22}{:>8.0}  {:<22}{:>6.3} {:>6.3} {:>6}",
                arm.name(),
                median(|one| one.per_second),
                ratio(|one| one.per_second),
                median(|one| one.cpu_micros),
                ratio(|one| one.cpu_micros),
                median(|one| one.p50_micros),
                ratio(|one| one.p50_micros),
                median(|one| one.p99_micros),
                ratio(|one| one.p99_micros),
                median(|one| one.share),
                median(|one| one.own),
                samples.iter().map(|one| one.stale).sum::<u64>(),
            );
        }
        println!();
    }

    fn note(&self, tasks: usize, mix: Mix, summary: &mut Summary) {
        let p99 = || {
            self.over(Arm::Routed, Arm::Hand, |one| one.p99_micros)
                .median
        };
        match (tasks, mix) {
            (8, READS) => summary.p99_c8 = Some(p99()),
            (32, READS) => summary.p99_c32 = Some(p99()),
            (8, WRITES) => {
                let over = |figure| self.over(Arm::Routed, Arm::Hand, figure).median;
                summary.c8_9010 = Some(over(|one| one.per_second));
                summary.cpu_9010 = Some(over(|one| one.cpu_micros));
                let waits = self.over(Arm::Wait, Arm::Routed, |one| one.per_second);
                summary.wait_9010 = Some(waits.median);
                summary.own = Some(Estimate::of(self.of(Arm::Routed, |one| one.own)).median);
            }
            _ => {}
        }
    }
}
