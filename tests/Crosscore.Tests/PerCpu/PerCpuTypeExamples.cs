using Crosscore.PerCpu;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// The examples that the documentation of types in Crosscore.PerCpu shows, between markers, word for word;
/// <see cref="TypeExampleTests"/> compares them.
/// </summary>
public sealed class PerCpuTypeExamples
{
    [Fact]
    public void RestartableSequences_says_what_is_missing()
    {
        // example
        if (!RestartableSequences.IsAvailable)
        {
            // Per-CPU types give the same results without sections, more slowly.
            Console.WriteLine($"{RestartableSequences.State}: {RestartableSequences.Explanation}");
        }
        // end
        Assert.NotEmpty(RestartableSequences.Explanation);
    }

    [Fact]
    public void PerCpuCounter_counts()
    {
        // example
        var requests = new PerCpuCounter();
        requests.Increment(); // by any thread
        long sum = requests.Sum(); // walks over the CPUs
        // end
        Assert.Equal(1, sum);
    }

    [Fact]
    public void PerCpuBuffer_keeps_records_until_they_are_drained()
    {
        var written = new List<long>();
        // example
        var trace = new PerCpuBuffer<long>(capacityPerCpu: 4096);
        bool hadRoom = trace.Append(Environment.TickCount64); // by any thread; trace.Lost counts those without room
        long drained = trace.Drain((cpu, records) => written.AddRange(records)); // by one thread at a time
        // end
        Assert.True(hadRoom);
        Assert.Equal(1, drained);
        _ = Assert.Single(written);
    }

    [Fact]
    public void PerCpuBlockPool_rents_blocks()
    {
        // example
        using var pool = new PerCpuBlockPool(blockSize: 256);
        nint block = pool.Rent(); // by any thread
        pool.Return(block); // by any thread
        // end
        Assert.True(pool.BlockCount > 0);
    }
}
