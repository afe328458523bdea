using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Machine;

/// <summary>The judging of perpetual runs, with logs written by hand and by chance; no machine is needed.</summary>
public class PerpetualFramesTests
{
    [Fact]
    public void A_load_on_either_side_that_missed_the_other_store_is_the_weak_outcome()
    {
        // The fast side never saw a store in 5 iterations; the slow side's only iteration saw none.
        OutcomeCounts counts = Judge([1, 0], 5, [0, 3, 0], out long relevant);
        Assert.Equal([(0UL, 0UL, 1L)], Read(counts));
        Assert.Equal(1, relevant);
    }

    [Fact]
    public void Iterations_one_after_the_other_show_only_what_runs_one_after_the_other()
    {
        // Slow iteration 1 saw fast iteration 2; from fast iteration 3 on its store was seen.
        OutcomeCounts counts = Judge([1, 0, 3, 1], 5, [2, 2, 2], out long relevant);
        Assert.Equal([(0UL, 1UL, 1L), (1UL, 0UL, 1L)], Read(counts));
        Assert.Equal(0, relevant);
    }

    /// <summary>The few frames that are examined show as much as all of them do.</summary>
    [Fact]
    public void Nothing_that_a_frame_shows_is_missed()
    {
        var random = new Random(5);
        for (int round = 0; round < 500; round++)
        {
            int fast = random.Next(1, 30);
            int slow = random.Next(1, 12);
            long[] fastFound = Rising(random, fast, slow);
            long[] slowFound = Rising(random, slow, fast);

            var expected = new Dictionary<(ulong, ulong), long>();
            for (int j = 1; j <= slow; j++)
            {
                foreach (
                    (ulong, ulong) outcome in Enumerable
                        .Range(1, fast)
                        .Select(i => (fastFound[i - 1] >= j ? 1UL : 0, slowFound[j - 1] >= i ? 1UL : 0))
                        .Distinct()
                )
                {
                    expected[outcome] = expected.GetValueOrDefault(outcome) + 1;
                }
            }

            var log = new List<long>();
            for (int i = 1; i <= fast; i++)
            {
                if (i == 1 || fastFound[i - 1] != fastFound[i - 2])
                {
                    log.AddRange([i, fastFound[i - 1]]);
                }
            }

            OutcomeCounts counts = Judge(
                [.. log],
                fast,
                [.. slowFound.SelectMany(found => new long[] { 0, 0, found })],
                out _
            );
            Assert.Equal(
                expected.Select(entry => (entry.Key.Item1, entry.Key.Item2, entry.Value)).Order(),
                Read(counts)
            );
        }
    }

    // P0 is fast and observes y, P1 is slow and observes x.
    private static OutcomeCounts Judge(long[] fastLog, long fastIterations, long[] slowLog, out long relevant)
    {
        LitmusTest test = MachineTests.Parse(MachineTests.StoreBuffering);
        PerpetualPlan? plan = PerpetualPlanner.TryCreate(test, out string reason);
        Assert.NotNull(plan);
        Assert.Equal("", reason);
        var frames = new PerpetualFrames(test, new MemoryLayout(test.Variables), plan);
        frames.Judge(fastLog, fastIterations, slowLog);
        relevant = frames.Relevant;
        return frames.Counts;
    }

    private static List<(ulong Fast, ulong Slow, long Count)> Read(OutcomeCounts counts) =>
        [
            .. Enumerable
                .Range(0, counts.Distinct)
                .Select(number => (counts.ValuesOf(number)[0], counts.ValuesOf(number)[1], counts.CountOf(number)))
                .Order(),
        ];

    private static long[] Rising(Random random, int length, int most)
    {
        long[] values = [.. Enumerable.Range(0, length).Select(_ => (long)random.Next(0, most + 1))];
        Array.Sort(values);
        return values;
    }
}
