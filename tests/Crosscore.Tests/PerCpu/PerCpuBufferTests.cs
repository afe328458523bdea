using Crosscore.Linux;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using Crosscore.Tests.Fences;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Appends by many, drains by one: each record is delivered once or counted as lost, with sections and striped.
/// </summary>
public sealed class PerCpuBufferTests
{
    public static TheoryData<bool> Ways => RestartableSequences.CanRestart ? [true, false] : [false];

    [Theory]
    [MemberData(nameof(Ways))]
    public void Every_record_is_delivered_once_in_order_or_counted_as_lost(bool useSections)
    {
        PerCpuBuffer<Event> buffer = Buffer<Event>(300, useSections);
        long delivered = 0,
            refused = 0;
        int running = Sizes.Threads;
        PerCpuRecords<Event> receive = (slot, records) =>
        {
            foreach (Event record in records)
            {
                Assert.Equal(Event.Of(record.Thread, record.Number), record);
                delivered++;
            }
        };
        Threads.Run(
            Sizes.Threads + 1,
            number =>
            {
                if (number < Sizes.Threads)
                {
                    for (int i = 0; i < Sizes.Fast / 4; i++)
                    {
                        if (!buffer.Append(Event.Of(number, i)))
                        {
                            Interlocked.Increment(ref refused);
                        }
                    }

                    Interlocked.Decrement(ref running);
                    return;
                }

                int resizes = 0;
                while (Volatile.Read(ref running) > 0)
                {
                    _ = buffer.Drain(receive);
                    if (resizes < 50)
                    {
                        buffer.Resize(50 + (resizes++ * 10));
                    }
                }
            }
        );
        _ = buffer.Drain(receive);

        Assert.Equal(refused, buffer.Lost);
        Assert.Equal((long)Sizes.Threads * (Sizes.Fast / 4), delivered + buffer.Lost);
        Assert.Equal(0, buffer.Drain(receive));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_thread_on_one_CPU_finds_its_records_in_order(bool useSections)
    {
        PerCpuBuffer<int> buffer = Buffer<int>(1000, useSections);
        int cpu = Threads.Cpus[^1];
        Threads.Run(
            1,
            _ =>
            {
                Threads.Place(0, cpu);
                for (int i = 0; i < 1500; i++)
                {
                    Assert.Equal(i < 1000, buffer.Append(i));
                }
            }
        );
        var seen = new List<(int Slot, int Record)>();
        Assert.Equal(
            1000,
            buffer.Drain((slot, records) => seen.AddRange(records.ToArray().Select(record => (slot, record))))
        );
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (cpu, i)), seen);
        Assert.Equal(500, buffer.Lost);
    }

    /// <summary>Any sequence of appends, drains and resizes does what a bounded queue does.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void Like_a_bounded_queue(bool useSections)
    {
        Threads.Place(0, Threads.Cpus[0]);
        try
        {
            Check.One(
                Config.QuickThrowOnFailure.WithMaxTest(100).WithQuietOnSuccess(true),
                Prop.ForAll(
                    Arb.From(Gen.Choose(0, 99).ArrayOf(60)),
                    operations => SameAsQueue(Buffer<(byte, short)>(3, useSections), operations)
                )
            );
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Records_whose_receiver_throws_come_again(bool useSections)
    {
        PerCpuBuffer<long> buffer = Buffer<long>(10, useSections);
        Assert.True(buffer.Append(1));
        _ = Assert.Throws<InvalidCastException>(() => buffer.Drain((_, _) => throw new InvalidCastException()));
        Assert.True(buffer.Append(2));
        var seen = new List<long>();
        Assert.Equal(2, buffer.Drain((_, records) => seen.AddRange(records)));
        Assert.Equal([1, 2], seen.Order());
    }

    [Fact]
    public void Misuse_is_refused_and_says_why()
    {
        _ = Assert.Throws<ArgumentOutOfRangeException>("capacity", () => new PerCpuBuffer<int>(0));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => new PerCpuBuffer<int>(int.MaxValue));
        _ = Assert.Throws<NotSupportedException>(() => new PerCpuBuffer<TooLarge>(1));
        var buffer = new PerCpuBuffer<int>(4);
        _ = buffer.Append(1);
        _ = Assert.Throws<LockRecursionException>(() => buffer.Drain((_, _) => buffer.Resize(8)));
        _ = Assert.Throws<LockRecursionException>(() => buffer.Drain((_, _) => buffer.Drain((_, _) => { })));
        _ = Assert.Throws<ArgumentNullException>("receive", () => buffer.Drain(null!));
        _ = Assert.Throws<ArgumentOutOfRangeException>("capacity", () => buffer.Resize(-1));
        Assert.Equal(1, buffer.Drain((_, _) => { }));
    }

    /// <summary>A section that had begun may still commit to the old ring then, so the ring is not given up.</summary>
    [Fact]
    public void A_resize_whose_barrier_fails_loses_nothing_and_keeps_the_old_ring()
    {
        Threads.NeedRestarts();
        var kernel = new FakeKernel(FakeKernel.Linux63)
        {
            Sandbox = command => command == MembarrierCall.MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ ? Errno.ENOMEM : 0,
        };
        kernel.FinishRegistration(MembarrierCall.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
        var session = new MembarrierSession(kernel);
        var ring = new PerCpuRing<int>(4, useSections: true, session, SectionVariant.Shipped);
        Assert.Equal(MembarrierFailure.OutOfMemory, Assert.Throws<MembarrierException>(ring.StopForGood).Failure);
        Assert.False(ring.IsStopped);
        Assert.Equal(SectionExit.Stopped, ring.Append(1));

        var buffer = new PerCpuBuffer<int>(4, useSections: true, session, SectionVariant.Shipped);
        Assert.True(buffer.Append(1));
        _ = Assert.Throws<MembarrierException>(() => buffer.Resize(8));
        Assert.Equal(8, buffer.CapacityPerCpu);
        Assert.True(buffer.Append(2));
        Assert.Equal(2, buffer.Drain((_, _) => { }));
        kernel.Sandbox = _ => 0;
        ring.StopForGood();
        Assert.True(ring.IsStopped);
    }

    private static void SameAsQueue(PerCpuBuffer<(byte Small, short Number)> buffer, int[] operations)
    {
        var queue = new Queue<(byte, short)>();
        int capacity = 3;
        int inRing = 0; // what was appended since the last resize and is not drained
        long lost = 0;
        foreach (int operation in operations)
        {
            switch (operation)
            {
                case < 75:
                    (byte, short) record = ((byte)operation, (short)-operation);
                    bool fits = inRing < capacity;
                    Assert.Equal(fits, buffer.Append(record));
                    if (fits)
                    {
                        queue.Enqueue(record);
                        inRing++;
                    }
                    else
                    {
                        lost++;
                    }

                    break;
                case < 92:
                    var seen = new List<(byte, short)>();
                    Assert.Equal(queue.Count, buffer.Drain((_, records) => seen.AddRange(records)));
                    Assert.Equal(queue, seen);
                    queue.Clear();
                    inRing = 0;
                    break;
                default:
                    capacity = operation - 91;
                    buffer.Resize(capacity);
                    inRing = 0;
                    break;
            }

            Assert.Equal((capacity, lost), (buffer.CapacityPerCpu, buffer.Lost));
        }
    }

    private static PerCpuBuffer<T> Buffer<T>(int capacity, bool useSections)
        where T : unmanaged => new(capacity, useSections, Membarrier.Session, SectionVariant.Shipped);

    /// <summary>
    /// Its parts belong together, so a record that is seen half-written is noticed; 20 bytes, no multiple of 8.
    /// </summary>
    private readonly record struct Event(int Thread, int Number, int Check0, int Check1, int Check2)
    {
        public static Event Of(int thread, int number) => new(thread, number, ~thread, ~number, thread ^ number);
    }

    [System.Runtime.CompilerServices.InlineArray(SectionBuilder.MaxCopiedBytes + 1)]
    private struct TooLarge
    {
        public byte First;
    }
}
