#pragma warning disable xUnit1051 // examples show what a program would write
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// What docs/per-cpu.md shows, between markers, word for word; <see cref="ExampleTests"/> compares them.
/// </summary>
public sealed class PerCpuExampleTests
{
    [Fact]
    public void What_is_counted_pooled_and_traced_comes_out_again()
    {
        using var meter = new Meter("example");
        var written = new List<Event>();
        // shown
        var requests = new PerCpuCounter(); // nothing to dispose of
        requests.Increment(); // from any thread, about what an empty call costs
        long sum = requests.Sum(); // walks over the CPUs
        meter.ObserveCounter(requests, "requests"); // System.Diagnostics.Metrics

        using var pool = new PerCpuBlockPool(blockSize: 256);
        nint block = pool.Rent(); // from this CPU's list
        pool.Return(block); // to the list of the CPU where this thread is now

        var trace = new PerCpuBuffer<Event>(capacityPerCpu: 4096);
        trace.Append(new Event(Stopwatch.GetTimestamp(), Id: 7)); // false: no room, counted in trace.Lost
        trace.Drain((cpu, events) => written.AddRange(events));
        // end
        Assert.Equal(1, sum);
        Assert.Equal(7, Assert.Single(written).Id);
    }

    [Fact]
    public void A_section_of_ones_own_and_a_slot_taken_from_outside()
    {
        // shown
        var area = new PerCpuArea(bytesPerCpu: 64);
        SectionBuilder section = area.NewSection(); // the largest of what this CPU has seen, in word 0
        SectionValue seen = section.Argument(0);
        SectionValue largest = section.Load(0);
        section.LeaveIfAtLeast(largest, seen, code: 1); // nothing new
        section.CommitStore(0, seen);
        section.Return(largest);
        PerCpuSection record = section.Build();

        SectionResult result = record.Run(area, 42); // Committed and Value, or Code
        // end
        Assert.True(result.Committed);
        Assert.Equal(0, result.Value);
        long of = 0;
        for (int cpu = 0; cpu < area.SlotCount; cpu++)
        {
            long taken = Take(area, cpu);
            of = Math.Max(of, taken);
        }

        Assert.Equal(42, of);
        Assert.Equal(0, Enumerable.Range(0, area.SlotCount).Sum(cpu => area.Read(cpu, 0)));
    }

    [Fact]
    public async Task A_read_section_crosses_an_await()
    {
        var readers = new PerCpuReadDomain();
        string[] published = ["first"];
        // shown
        using (PerCpuReadSection section = readers.EnterReadSection())
        {
            string seen = Volatile.Read(ref published[0]);
            await Task.Delay(1); // may continue on another thread
            Console.WriteLine(seen);
        }

        string old = Interlocked.Exchange(ref published[0], "second");
        await readers.SynchronizeAsync(); // no reader uses the old one any more
        // end
        Assert.Equal("first", old);
        Assert.Equal(0, readers.Readers);
    }

    private static long Take(PerCpuArea area, int cpu)
    {
        long taken;
        // shown
        // a word that every section looks at, then one membarrier aimed at that CPU
        using (StoppedSlot slot = area.Stop(cpu))
        {
            taken = slot.Words[0];
            slot.Words[0] = 0;
        } // sections run again
        // end
        return taken;
    }

    private readonly record struct Event(long Time, int Id);
}
