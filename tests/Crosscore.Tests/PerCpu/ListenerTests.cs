using System.Diagnostics.Metrics;
using System.Diagnostics.Tracing;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// User code that the library calls: what it throws, or does with the library in turn, harms neither the caller nor
/// any process later.
/// </summary>
public sealed class ListenerTests
{
    public static TheoryData<bool> Ways => RestartableSequences.CanRestart ? [true, false] : [false];

    /// <summary>
    /// The counters are published at the first use of the library, so that takes a separate process.
    /// </summary>
    [Theory]
    [InlineData(Child.ListenBadly)]
    [InlineData(Child.ListenAndUse)]
    [InlineData(Child.ListenAndWait)]
    public void A_listener_that_throws_or_uses_the_library_in_turn_does_no_harm(string task)
    {
        ChildResult result = ChildProcess.RunThisProgram(task);
        Assert.True(result.Status == 0, $"The child ended with status {result.Status}. {result.Text} {result.Errors}");
        Assert.Equal("7 7", result.Text.Trim());
    }

    /// <summary>
    /// The receiver of a drain appends, sums, stops and synchronizes; it may do all but drain or resize the same
    /// buffer.
    /// </summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void A_receiver_may_use_everything_but_its_own_drain(bool useSections)
    {
        var buffer = new PerCpuBuffer<long>(100, useSections, Membarrier.Session, SectionVariant.Shipped);
        var other = new PerCpuBuffer<long>(100, useSections, Membarrier.Session, SectionVariant.Shipped);
        var counter = new PerCpuCounter();
        var sections = new PerCpuReadDomain();
        var area = new PerCpuArea(8);
        using var pool = new PerCpuBlockPool(64);
        Assert.True(buffer.Append(1));
        Assert.True(other.Append(1));
        int calls = 0;
        long drained = buffer.Drain(
            (slot, records) =>
            {
                calls++;
                counter.Add(records.Length);
                Assert.True(buffer.Append(2));
                Assert.Equal(1, other.Drain((_, _) => { }));
                other.Resize(50);
                Assert.True(other.Append(1));
                _ = Assert.Throws<LockRecursionException>(() => buffer.Drain((_, _) => { }));
                _ = Assert.Throws<LockRecursionException>(() => buffer.Resize(1));
                sections.EnterReadSection().Dispose();
                sections.Synchronize();
                area.Stop(0).Dispose();
                pool.Return(pool.Rent());
                _ = buffer.Lost;
            }
        );
        drained += buffer.Drain((_, _) => { });
        Assert.Equal(1, calls);
        Assert.Equal(2, drained);
        Assert.Equal(1, counter.Sum());
    }

    /// <summary>
    /// A receiver that throws from a stretch in the middle: what it had before is not delivered again, the rest comes
    /// again, in order, also out of a ring that was replaced.
    /// </summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void A_receiver_that_throws_at_any_stretch_loses_and_repeats_nothing_but_that_stretch(bool useSections)
    {
        var buffer = new PerCpuBuffer<long>(4, useSections, Membarrier.Session, SectionVariant.Shipped);
        var seen = new List<long>();
        long next = 0;
        Threads.Run(
            1,
            number =>
            {
                Threads.Place(0, Threads.Cpus[0]);
                for (int round = 0; round < 50; round++)
                {
                    for (int i = 0; i < 3; i++)
                    {
                        Assert.True(buffer.Append(next++));
                    }

                    if (round % 3 == 0)
                    {
                        buffer.Resize(4 + (round % 5));
                    }

                    int stretch = 0;
                    int bad = round % 4;
                    _ = Record.Exception(() =>
                        buffer.Drain(
                            (slot, records) =>
                            {
                                if (stretch++ == bad)
                                {
                                    throw new InvalidCastException();
                                }

                                seen.AddRange(records);
                            }
                        )
                    );
                    _ = buffer.Drain((_, records) => seen.AddRange(records));
                }
            }
        );
        Assert.Equal(Enumerable.Range(0, (int)next).Select(record => (long)record), seen);
        Assert.Equal(0, buffer.Lost);
    }
}

/// <summary>The children of <see cref="ListenerTests"/>.</summary>
internal static class ListenerChild
{
    public static void ListenBadly()
    {
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == "Crosscore.Code")
                {
                    throw new InvalidCastException("the listener's own");
                }
            },
        };
        listener.Start();
        using var events = new BadEvents();
        Use();
    }

    public static void ListenAndUse()
    {
        int calls = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Meter.Name == "Crosscore.Code" && calls++ < 20)
                {
                    listening.EnableMeasurementEvents(instrument);
                    new PerCpuCounter().Increment();
                    using var domain = new RcuDomain();
                    domain.Synchronize();
                    Crosscore.Code.SealedCode.Seal([0xC3]).Install().Dispose();
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => new PerCpuCounter().Increment());
        listener.Start();
        Use();
        listener.RecordObservableInstruments();
    }

    /// <summary>A listener that waits for another thread which uses the library.</summary>
    public static void ListenAndWait()
    {
        int calls = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == "Crosscore.Code" && calls++ == 0)
                {
                    var other = new Thread(() => new PerCpuCounter().Increment());
                    other.Start();
                    other.Join();
                }
            },
        };
        listener.Start();
        Use();
    }

    private static void Use()
    {
        var counter = new PerCpuCounter();
        counter.Add(7);
        var again = new PerCpuCounter();
        again.Add(7);
        bool known = Crosscore.Code.CodeEvents.Publication.Wait(TimeSpan.FromSeconds(60));
        Console.WriteLine($"{counter.Sum()} {again.Sum()}{(known ? "" : " listeners have not returned")}");
    }

    private sealed class BadEvents : EventListener
    {
        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "Crosscore.Code")
            {
                throw new InvalidCastException("the listener's own");
            }
        }
    }
}
