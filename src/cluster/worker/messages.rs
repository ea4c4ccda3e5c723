//! What comes in, in the reducer's words.

use std::{ops::ControlFlow, sync::Arc};

use super::Worker;
use crate::{
    cluster::{
        inbox::{HandleOrder, Message, StatementNews, TaskReport},
        shared::Shared,
    },
    signal::Signal,
    state::{CatalogNews, Event, Ran},
    vocabulary::Stage,
};

impl Worker {
    /// Breaks when there is nothing left to look after.
    pub(super) async fn on_message(
        &mut self,
        shared: &Arc<Shared>,
        message: Message,
    ) -> ControlFlow<()> {
        let Some(message) = self.hold(shared, message) else {
            return ControlFlow::Continue(());
        };
        match message {
            Message::Statement(news) => self.on_news(news).await,
            Message::Task(report) => self.on_report(shared, report).await,
            Message::Handle(order) => return self.on_order(shared, order).await,
            Message::Word(word) => {
                let heard = shared.tracker.word();
                self.dispatch(Event::Told { word, heard }).await;
            }
        }
        self.replies.answer_checks();
        ControlFlow::Continue(())
    }

    async fn on_news(&mut self, news: StatementNews) {
        match news {
            StatementNews::Failed {
                node,
                generation,
                stage,
                signal,
                ran,
            } => {
                self.dispatch(Event::Failed {
                    node,
                    generation,
                    stage,
                    signal,
                    ran,
                })
                .await;
            }
            StatementNews::AskAll => self.dispatch(Event::AskAll).await,
            StatementNews::Ahead(node, pool, epoch) => {
                if self.nodes.has_pool(node, &pool) {
                    self.dispatch(Event::Ahead { node, epoch }).await;
                }
            }
            StatementNews::Strays(node, pool) => {
                if self.nodes.has_pool(node, &pool) {
                    self.dispatch(Event::Strays { node }).await;
                }
            }
            // Who waits is noted after every message.
            StatementNews::Waits => {}
            StatementNews::Check(node, answer) => {
                let ticket = self.replies.check(answer);
                self.dispatch(Event::Check { ticket, node }).await;
            }
            StatementNews::Moved(node, pool) => {
                if self.nodes.has_pool(node, &pool) {
                    self.dispatch(Event::Moved { node }).await;
                }
            }
            StatementNews::SchemaChanged => {
                self.dispatch(Event::Catalog(CatalogNews::Changed)).await;
            }
            StatementNews::WishCatalog => {
                self.dispatch(Event::Catalog(CatalogNews::Wished)).await;
            }
        }
    }

    async fn on_report(&mut self, shared: &Arc<Shared>, report: TaskReport) {
        match report {
            TaskReport::Probed(id, event, wire) => self.probed(shared, id, *event, wire).await,
            TaskReport::Woken(answers) => self.woken(shared, answers).await,
            TaskReport::Warmed(warm) => {
                let node = warm.id;
                self.nodes.adopt(node, warm.link, warm.source);
                self.probes.keep(node, warm.wire);
                self.dispatch(warm.probed).await;
                self.dispatch(Event::Warmed { node }).await;
            }
            TaskReport::WarmFailed(node, signal) => {
                self.dispatch(Event::WarmFailed { node, signal }).await;
            }
            TaskReport::Opened(opened) => {
                if let Some(event) = self.nodes.install(opened) {
                    self.dispatch(event).await;
                }
            }
            TaskReport::CatalogRead(role, read) => {
                let believed = self.state.believes_catalog_of(role);
                let reading = shared.judging.take(read, believed);
                let news = CatalogNews::Read(role, reading);
                self.dispatch(Event::Catalog(news)).await;
            }
            TaskReport::DrainedOut(node) => {
                self.watched.remove(&node);
                self.dispatch(Event::DrainedOut { node }).await;
            }
        }
    }

    async fn on_order(&mut self, shared: &Arc<Shared>, order: HandleOrder) -> ControlFlow<()> {
        let event = match order {
            HandleOrder::Replace(sources, answer) => {
                let ticket = self.replies.change(answer);
                let nodes = self.nodes.register(sources);
                Event::Replace { ticket, nodes }
            }
            HandleOrder::Drain(node) => Event::Drain { node },
            HandleOrder::Resume(node) => Event::Resume { node },
            HandleOrder::Refresh => Event::Refresh,
            HandleOrder::Promoted(node) => Event::Promoted { node },
            HandleOrder::Accept(node) => Event::Accept { node },
            HandleOrder::Down(node, generation) => Event::Failed {
                node,
                generation,
                stage: Stage::Acquire,
                signal: Signal::Refused,
                ran: Ran::Nothing,
            },
            HandleOrder::ExportMetrics(done) => {
                self.metrics.export(shared, &self.state);
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                return ControlFlow::Continue(());
            }
            HandleOrder::Close(done) => {
                self.nodes.close_all().await;
                shared.concrete.close(&shared.tracker).await;
                shared.telemetry.events.close();
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                // Looked after any longer, a node found dead would be given a new pool.
                return ControlFlow::Break(());
            }
        };
        self.dispatch(event).await;
        ControlFlow::Continue(())
    }
}
