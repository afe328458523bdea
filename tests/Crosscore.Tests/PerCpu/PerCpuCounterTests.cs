using System.Diagnostics.Metrics;
using Crosscore.PerCpu;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Counters and histograms, with sections and striped: the same sums, and what instruments publish of them.
/// </summary>
public sealed class PerCpuCounterTests
{
    public static TheoryData<bool> Ways => RestartableSequences.IsAvailable ? [true, false] : [false];

    [Theory]
    [MemberData(nameof(Ways))]
    public void After_all_threads_have_been_waited_for_the_sum_is_exact(bool useSections)
    {
        PerCpuCounter counter = Counter(useSections);
        Threads.Run(
            Sizes.Threads,
            number =>
            {
                for (int i = 0; i < Sizes.Fast; i++)
                {
                    counter.Add(number + 1);
                    counter.Decrement();
                }
            }
        );
        Assert.Equal(Sizes.Fast * (long)(Sizes.Threads * (Sizes.Threads - 1) / 2), counter.Sum());
        Assert.Equal(useSections, counter.UsesSections);
    }

    /// <summary>
    /// With adds that are not negative the sum never falls, never exceeds what has been begun, and includes what the
    /// summing thread knows to be done.
    /// </summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void While_others_add_the_sum_only_grows_and_includes_what_was_done_before(bool useSections)
    {
        PerCpuCounter counter = Counter(useSections);
        long done = 0; // published after each add
        bool over = false;
        Threads.Run(
            2,
            number =>
            {
                if (number == 1)
                {
                    for (long i = 1; !Volatile.Read(ref over); i++)
                    {
                        counter.Increment();
                        Volatile.Write(ref done, i);
                    }

                    return;
                }

                long last = 0;
                for (int look = 0; look < Sizes.Fast / 10; look++)
                {
                    long known = Volatile.Read(ref done);
                    long sum = counter.Sum();
                    Assert.True(sum >= known && sum >= last, $"{sum} after {last}, and {known} were done");
                    last = sum;
                }

                Volatile.Write(ref over, true);
            }
        );
        Assert.Equal(done, counter.Sum());
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void The_slots_add_up_to_the_sum_and_each_CPU_has_its_own(bool useSections)
    {
        PerCpuCounter counter = Counter(useSections);
        try
        {
            foreach (int cpu in Threads.Cpus)
            {
                Threads.Place(0, cpu);
                counter.Add(cpu + 10);
            }
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
        }

        long[] slots = new long[RestartableSequences.CpuSlots + 1];
        Assert.Equal(Threads.Cpus.Sum(cpu => cpu + 10), counter.Read(slots));
        Assert.All(Threads.Cpus, cpu => Assert.Equal(cpu + 10, slots[cpu]));
        Assert.Equal(Threads.Cpus.Sum(cpu => cpu + 10), counter.Read([]));
    }

    [Fact]
    public void The_sum_wraps()
    {
        var counter = new PerCpuCounter();
        counter.Add(long.MaxValue);
        counter.Increment();
        Assert.Equal(long.MinValue, counter.Sum());
    }

    [Fact]
    public void A_histogram_puts_a_value_into_the_first_bucket_that_is_not_below_it()
    {
        var histogram = new PerCpuHistogram(10, 100, 1000);
        foreach (long value in (long[])[-5, 10, 11, 100, 1000, 1001, 5000])
        {
            histogram.Record(value);
        }

        Assert.Equal([2, 2, 1, 2], histogram.Counts());
        Assert.Equal(7117, histogram.Sum());
        Assert.Equal([10, 100, 1000], histogram.Bounds.ToArray());
        _ = Assert.Throws<ArgumentException>("bounds", () => new PerCpuHistogram());
        _ = Assert.Throws<ArgumentException>("bounds", () => new PerCpuHistogram(1, 1));
    }

    [Fact]
    public void Instruments_publish_the_sums()
    {
        using var meter = new Meter("Crosscore.Tests.PerCpu");
        var requests = new PerCpuCounter();
        var active = new PerCpuCounter();
        var latency = new PerCpuHistogram(10, 100);
        _ = meter.ObserveCounter(requests, "requests", "{request}", "Requests served.");
        _ = meter.ObserveUpDownCounter(active, "active");
        meter.ObserveHistogram(latency, "latency", "us");
        requests.Add(3);
        active.Add(2);
        active.Decrement();
        latency.Record(7);
        latency.Record(70);
        latency.Record(700);

        Assert.Equal(
            [
                "active 1",
                "latency.bucket 1 le=10",
                "latency.bucket 2 le=100",
                "latency.bucket 3 le=+Inf",
                "latency.count 3",
                "latency.sum 777",
                "requests 3",
            ],
            Collect(meter).Order(StringComparer.Ordinal)
        );
        _ = Assert.Throws<ArgumentNullException>("counter", () => meter.ObserveCounter(null!, "none"));
    }

    private static List<string> Collect(Meter meter)
    {
        var seen = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (ReferenceEquals(instrument.Meter, meter))
                {
                    own.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(
            (instrument, value, tags, _) =>
                seen.Add(
                    $"{instrument.Name} {value}"
                        + string.Concat(tags.ToArray().Select(tag => $" {tag.Key}={tag.Value}"))
                )
        );
        listener.Start();
        listener.RecordObservableInstruments();
        return seen;
    }

    private static PerCpuCounter Counter(bool useSections) => new(PerCpuIndex.Cpu, useSections, SectionVariant.Shipped);
}
