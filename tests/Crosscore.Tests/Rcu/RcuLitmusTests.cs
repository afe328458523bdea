using System.Diagnostics;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// The one order that grace periods rest on, in the code that ships: a reader's word, then what it reads, against what
/// the writer stored, then the word. A section that a grace period did not wait for must see what was stored before it.
/// With the fence of the domain taken away this must fail, or the test proves nothing; a torture test does not notice.
/// </summary>
public sealed class RcuLitmusTests
{
    private const int Turns = 1 << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public void A_section_that_was_not_waited_for_sees_what_was_stored_before_the_grace_period()
    {
        Processor.NeedsTwo();
        using var domain = new RcuDomain();
        (long judged, long violations) = Try(domain, static (judged, _) => judged >= 5_000);
        Assert.True(judged >= 5_000, $"Only {judged} grace periods could be judged.");
        Assert.Equal(0, violations);
    }

    [Fact]
    public void Without_the_heavy_fence_it_does_not()
    {
        Processor.NeedsTwo();
        Assert.SkipWhen(AsymmetricFence.Mode == AsymmetricFenceMode.Symmetric, "Readers have a full fence here.");
        using var domain = new RcuDomain(null, heavy: static () => { });
        (long judged, long violations) = Try(domain, static (_, violations) => violations > 0);
        Assert.True(violations > 0, $"The control saw nothing in {judged} grace periods.");
    }

    [Fact]
    public void A_fence_of_the_writer_alone_is_not_enough()
    {
        Processor.NeedsTwo();
        Assert.SkipWhen(AsymmetricFence.Mode == AsymmetricFenceMode.Symmetric, "Readers have a full fence here.");
        using var domain = new RcuDomain(null, Interlocked.MemoryBarrier);
        (long judged, long violations) = Try(domain, static (_, violations) => violations > 0);
        Assert.True(violations > 0, $"The control saw nothing in {judged} grace periods.");
    }

    private static (long Judged, long Violations) Try(RcuDomain domain, Func<long, long, bool> enough)
    {
        var shared = new Shared();
        long judged = 0;
        long violations = 0;
        long began = Stopwatch.GetTimestamp();
        while (!enough(judged, violations) && Stopwatch.GetElapsedTime(began) < Limit)
        {
            shared.Stored.Value = 0;
            shared.Sections.Value = 0;
            List<(long Stored, long Next)> gracePeriods = [];
            using var start = new Barrier(2);
            using var reader = new Background(() =>
            {
                Processor.Pin(1);
                start.SignalAndWait();
                Read(domain, shared);
            });
            using Processor.Hold held = Processor.HoldOn(0);
            start.SignalAndWait();
            for (long stored = 1; Volatile.Read(ref shared.Sections.Value) < Turns; stored++)
            {
                shared.Stored.Value = stored;
                domain.Synchronize();
                gracePeriods.Add((stored, Volatile.Read(ref shared.Sections.Value)));
            }

            reader.Join();

            // A section that had not counted itself when the grace period was over was not waited for.
            foreach ((long stored, long next) in gracePeriods.Where(one => one.Next < Turns))
            {
                judged++;
                violations += shared.Seen[next] < stored ? 1 : 0;
            }
        }

        return (judged, violations);
    }

    private static void Read(RcuDomain domain, Shared shared)
    {
        RcuReader reader = domain.GetReader();
        for (int section = 0; section < Turns; section++)
        {
            using RcuReadSection inside = reader.EnterReadSection();
            shared.Seen[section] = shared.Stored.Value;
            Volatile.Write(ref shared.Sections.Value, section + 1);
        }
    }

    private sealed class Shared
    {
        public readonly long[] Seen = new long[Turns];
        public PaddedLong Stored;
        public PaddedLong Sections;
    }
}
