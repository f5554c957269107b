//! The bounded queue between the task that reads a source and the plan above it: where a read waits for a slower sink, where limits of
//! speed hold, and where the memory of what waits is registered.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::{Notify, mpsc};

use crate::error::ConnectorError;
use crate::throttle::Throttles;
use crate::wait_times::WAIT_WRITER;

/// Batches that wait for a reader that is slower than the source.
pub(crate) const WAITING_BATCHES: usize = 2;

/// Nobody takes batches any more: the read can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

/// The end of a queue into which a source is read.
#[derive(Debug)]
pub struct BatchSender {
    queue: mpsc::Sender<DataFusionResult<Waiting>>,
    throttles: Throttles,
    memory: Option<MemoryReservation>,
    taken: Arc<Notify>,
    waited: Time,
}

/// The end of a queue from which a plan takes.
#[derive(Debug)]
pub(crate) struct BatchReceiver(mpsc::Receiver<DataFusionResult<Waiting>>);

/// A batch in the queue, with the memory that it is registered for.
#[derive(Debug)]
struct Waiting {
    batch: RecordBatch,
    memory: Option<MemoryReservation>,
    taken: Arc<Notify>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.memory = None;
        self.taken.notify_one();
    }
}

/// A queue of [`WAITING_BATCHES`]. What waits in it counts against `memory`.
pub(crate) fn batch_queue(throttles: Throttles, memory: Option<MemoryReservation>) -> (BatchSender, BatchReceiver) {
    let (queue, waiting) = mpsc::channel(WAITING_BATCHES);
    (BatchSender { queue, throttles, memory, taken: Arc::default(), waited: Time::new() }, BatchReceiver(waiting))
}

/// The metric of a scan's partition that says how long it waited for room in its queue.
pub(crate) fn wait_metric(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Time {
    MetricBuilder::new(metrics).subset_time(WAIT_WRITER, partition)
}

/// What a scan's partition registers the memory of its waiting batches by.
pub(crate) fn scan_memory(context: &TaskContext, scan: &str, partition: usize) -> MemoryReservation {
    MemoryConsumer::new(format!("{scan}[{partition}]")).register(context.memory_pool())
}

impl BatchSender {
    /// Adds the time that it waits for room to a scan's [`wait_metric`].
    pub(crate) fn counting_waits(mut self, waited: Time) -> Self {
        self.waited = waited;
        self
    }

    /// Hands on a batch, which was so many bytes in the source: waits for its turn by the limits of speed, and until there is room. A batch that
    /// holds more rows or bytes than one turn goes in pieces.
    ///
    /// # Errors
    /// [`Unread`] when nobody takes batches any more.
    pub async fn send(&self, batch: RecordBatch, bytes: usize) -> Result<(), Unread> {
        let (rows, memory) = (batch.num_rows(), batch.get_array_memory_size());
        for (piece, bytes) in self.throttles.pieces(batch, bytes) {
            tokio::select! {
                () = self.throttles.take(piece.num_rows(), bytes) => {}
                () = self.queue.closed() => return Err(Unread),
            }
            // all pieces hold the memory of the whole, so that each counts its share
            let memory = (memory as u128 * piece.num_rows() as u128 / rows.max(1) as u128) as usize;
            let began = Instant::now();
            let waiting =
                Waiting { batch: piece, memory: self.register(memory).await?, taken: Arc::clone(&self.taken) };
            self.queue.send(Ok(waiting)).await.map_err(|_| Unread)?;
            self.waited.add_duration(began.elapsed());
        }
        Ok(())
    }

    /// Hands on rows of which the server sent nothing but their number: no limit of speed holds for them.
    ///
    /// # Errors
    /// [`Unread`] when nobody takes batches any more.
    pub async fn send_counted(&self, batch: RecordBatch) -> Result<(), Unread> {
        let waiting = Waiting { batch, memory: None, taken: Arc::clone(&self.taken) };
        self.queue.send(Ok(waiting)).await.map_err(|_| Unread)
    }

    /// Ends the queue with an error, if anybody is still there.
    pub async fn fail(&self, error: DataFusionError) {
        let _ = self.queue.send(Err(error)).await;
    }

    /// Registers the memory of a batch. If the pool has no room the batch waits until none is left in the queue, and then goes on whatever
    /// the pool says: it is there already, and who holds the rest of the memory may be waiting for it.
    async fn register(&self, bytes: usize) -> Result<Option<MemoryReservation>, Unread> {
        let Some(memory) = &self.memory else { return Ok(None) };
        let registered = memory.new_empty();
        loop {
            if registered.try_grow(bytes).is_ok() {
                return Ok(Some(registered));
            }
            if self.queue.capacity() == self.queue.max_capacity() {
                registered.grow(bytes);
                return Ok(Some(registered));
            }
            tokio::select! {
                () = self.taken.notified() => {}
                () = self.queue.closed() => return Err(Unread),
            }
        }
    }
}

impl BatchReceiver {
    /// The next batch; None when the sender is gone.
    pub(crate) async fn recv(&mut self) -> Option<DataFusionResult<RecordBatch>> {
        Some(self.0.recv().await?.map(|waiting| waiting.batch.clone()))
    }
}

/// Runs a read in a task of its own and streams what it sends. Dropping the stream aborts the task; a task that dies is an error, never a
/// short result.
pub(crate) fn stream_of<R>(
    schema: SchemaRef,
    (sender, receiver): (BatchSender, BatchReceiver),
    read: impl FnOnce(BatchSender) -> R,
) -> SendableRecordBatchStream
where
    R: Future<Output = DataFusionResult<()>> + Send + 'static,
{
    let task = SpawnedTask::spawn(read(sender));
    let batches = stream::try_unfold((receiver, Some(task)), |(mut receiver, mut task)| async move {
        match receiver.recv().await {
            Some(batch) => Ok(Some((batch?, (receiver, task)))),
            None => match task.take() {
                Some(task) => match task.join().await {
                    Ok(ended) => ended.map(|()| None),
                    Err(error) => {
                        let error =
                            ConnectorError::internal("the task that reads a source ended early").with_source(error);
                        Err(DataFusionError::from(error))
                    }
                },
                None => Ok(None),
            },
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
    use futures::{StreamExt, TryStreamExt};

    use super::*;
    use crate::throttle::{SpeedLimits, Throttle};

    fn batch(rows: i64) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("id", values)]).unwrap()
    }

    fn pool(bytes: usize) -> (Arc<dyn MemoryPool>, MemoryReservation) {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        let memory = MemoryConsumer::new("scan").register(&pool);
        (pool, memory)
    }

    #[tokio::test]
    async fn what_waits_is_registered_until_it_is_taken() {
        let (pool, memory) = pool(1 << 20);
        let (sender, mut receiver) = batch_queue(Throttles::none(), Some(memory));
        sender.send(batch(100), 0).await.unwrap();
        let one = pool.reserved();
        assert!(one >= 800, "{one}");
        sender.send(batch(100), 0).await.unwrap();
        assert_eq!(pool.reserved(), 2 * one);
        receiver.recv().await.unwrap().unwrap();
        assert_eq!(pool.reserved(), one);
        drop(receiver);
        assert_eq!(pool.reserved(), 0, "what nobody takes is free too");
        assert_eq!(sender.send(batch(1), 0).await, Err(Unread));
    }

    #[tokio::test]
    async fn without_memory_one_batch_waits_at_a_time_and_all_arrive() {
        let (pool, memory) = pool(1);
        let most = Arc::new(parking_lot::Mutex::new(0));
        let one = batch(100).get_array_memory_size();
        let queue = batch_queue(Throttles::none(), Some(memory));
        let mut rows = stream_of(batch(0).schema(), queue, |sender| async move {
            for _ in 0..50 {
                sender.send(batch(100), 0).await.map_err(|_| DataFusionError::Internal("unread".into()))?;
            }
            Ok(())
        });
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch.unwrap().num_rows();
            tokio::task::yield_now().await;
            let mut most = most.lock();
            *most = pool.reserved().max(*most);
        }
        assert_eq!(count, 5000);
        assert!(*most.lock() <= one, "{} of {one}", most.lock());
        drop(rows);
        assert_eq!(pool.reserved(), 0);
    }

    #[tokio::test]
    async fn a_read_that_waits_for_memory_ends_when_nobody_takes_its_batches() {
        let (_, memory) = pool(1);
        let (sender, receiver) = batch_queue(Throttles::none(), Some(memory));
        sender.send(batch(100), 0).await.unwrap();
        let (sent, ()) = tokio::join!(sender.send(batch(100), 0), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(receiver);
        });
        assert_eq!(sent, Err(Unread));
    }

    #[tokio::test]
    async fn a_read_that_waits_for_its_turn_ends_when_nobody_takes_its_batches() {
        let limits = SpeedLimits { bytes_per_second: Some(1), rows_per_second: None };
        let throttles = Throttles::of_catalog(Throttle::new(limits).as_ref());
        let (sender, receiver) = batch_queue(throttles, None);
        let began = Instant::now();
        let (sent, ()) = tokio::join!(sender.send(batch(100), 1 << 20), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(receiver);
        });
        assert_eq!(sent, Err(Unread));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_limit_of_rows_lets_a_batch_flow_evenly_in_pieces() {
        let limits = SpeedLimits { bytes_per_second: None, rows_per_second: Some(1000) };
        let throttles = Throttles::of_catalog(Throttle::new(limits).as_ref());
        let read = |sender: BatchSender| async move {
            let _ = sender.send(batch(1000), 8000).await;
            Ok(())
        };
        let began = Instant::now();
        let pieces: Vec<RecordBatch> =
            stream_of(batch(0).schema(), batch_queue(throttles, None), read).try_collect().await.unwrap();
        assert_eq!(pieces.len(), 10);
        assert!(began.elapsed() >= Duration::from_millis(750), "{:?}", began.elapsed());
        assert_eq!(arrow::compute::concat_batches(&batch(0).schema(), &pieces).unwrap(), batch(1000));
    }

    #[tokio::test]
    async fn the_time_that_a_read_waits_for_a_slow_reader_is_counted_and_that_for_its_own_turn_is_not() {
        let waited = async |throttles: Throttles, pause: Duration| {
            let metric = Time::new();
            let (sender, receiver) = batch_queue(throttles, None);
            let queue = (sender.counting_waits(metric.clone()), receiver);
            let mut rows = stream_of(batch(0).schema(), queue, |sender| async move {
                for _ in 0..8 {
                    let _ = sender.send(batch(100), 0).await;
                }
                Ok(())
            });
            while let Some(batch) = rows.next().await {
                batch.unwrap();
                tokio::time::sleep(pause).await;
            }
            Duration::from_nanos(metric.value() as u64)
        };
        // eight batches at 50 ms each, of which two wait in the queue and one is being read
        let slow = waited(Throttles::none(), Duration::from_millis(50)).await;
        assert!(slow >= Duration::from_millis(200), "{slow:?}");
        let limits = SpeedLimits { bytes_per_second: None, rows_per_second: Some(2000) };
        let limited = Throttles::of_catalog(Throttle::new(limits).as_ref());
        let fast = waited(limited, Duration::ZERO).await;
        assert!(fast < Duration::from_millis(100), "{fast:?}");
    }

    #[tokio::test]
    async fn an_error_or_a_panic_of_the_task_is_an_error_of_the_stream() {
        let failing = |_: BatchSender| async { Err(DataFusionError::Internal("broken".into())) };
        let queue = batch_queue(Throttles::none(), None);
        assert!(stream_of(batch(0).schema(), queue, failing).next().await.unwrap().is_err());
        async fn dies(_: BatchSender) -> DataFusionResult<()> {
            panic!("dies in the test")
        }
        let queue = batch_queue(Throttles::none(), None);
        assert!(stream_of(batch(0).schema(), queue, dies).next().await.unwrap().is_err());
    }
}
