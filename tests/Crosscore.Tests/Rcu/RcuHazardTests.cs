using System.Runtime.CompilerServices;
using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Rcu;

/// <summary>What the runtime does to threads that are inside of sections.</summary>
public sealed class RcuHazardTests
{
    [Fact]
    public void A_process_ends_although_a_thread_is_inside_and_what_waits_for_it_is_not_reclaimed()
    {
        ChildResult child = ChildProcess.RunThisProgram(Child.ExitInsideOfSection);
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal("leaving", child.Text.Trim());
    }

    [Fact]
    public void A_method_that_is_optimized_in_the_middle_of_a_section_keeps_it()
    {
        using var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
        using var middle = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        bool reclaimed = false;
        using var reader = new Background(() => Assert.NotEqual(0, LoopInside(domain, middle, goOn)));
        middle.Wait(TestContext.Current.CancellationToken);
        domain.Retire(0, _ => Volatile.Write(ref reclaimed, true));
        Background.Until(() => domain.GetHolders() is [{ Thread: { } thread }] && thread == reader.Thread);
        Assert.False(Volatile.Read(ref reclaimed));
        goOn.Set();
        reader.Join();
        domain.Barrier();
        Assert.True(reclaimed);
        Assert.Equal(0, domain.Statistics.AbandonedSections);
    }

    [Fact]
    public void Finalizers_may_enter_sections_and_retire()
    {
        using var domain = new RcuDomain();
        int reclaimed = 0;
        Make(domain, () => Interlocked.Increment(ref reclaimed));
        for (int i = 0; i < 10 && domain.Statistics.Retired < 100; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(100, domain.Statistics.Retired);
        domain.Barrier();
        Assert.Equal(100, reclaimed);
    }

    [Fact]
    public void A_section_and_its_slot_survive_collections_that_move_them()
    {
        using var domain = new RcuDomain();
        using RcuReadSection outer = domain.EnterReadSection();
        for (int i = 0; i < 20; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
            using RcuReadSection inner = domain.EnterReadSection();
            Assert.True(domain.IsInReadSection);
        }
    }

    [Fact]
    public void An_exception_that_passes_through_leaves_the_section()
    {
        using var domain = new RcuDomain();
        _ = Assert.Throws<FormatException>(() =>
        {
            using RcuReadSection section = domain.EnterReadSection();
            _ = int.Parse("not a number");
        });
        Assert.False(domain.IsInReadSection);
        domain.Synchronize();
    }

    [Fact]
    public void No_straight_code_of_the_library_holds_two_volatile_reads_whose_order_matters()
    {
        // What is found beside these has to be kept in order by a barrier, or to be added here because no order is
        // needed. Here the reads are figures that are no snapshot, fields written once before they are published, an
        // estimate (WaitForOthers, IsDue, IsFull, HasMoreThanProtected, TakeReclaimable's bytes), or flags of an end
        // that are never withdrawn (ThrowIfDisposed); Push looks whether it may and then for a first guess at the top,
        // which its exchange verifies.
        Assert.Equal(
            [
                "ByteSum.Read",
                "CoalescedOperation.WaitForOthers",
                "CodeCounter.get_Value",
                "HazardGarbageList.get_HasMoreThanProtected",
                "HazardScanSchedule.IsDue",
                "HazardScanSchedule.IsFull",
                "HazardScanner.TakeReclaimable",
                "InstalledSections.InstallNow",
                "NativeQueue`1.ThrowIfDisposed",
                "NativeStack`1.Push",
                "NativeStack`1.ThrowIfDisposed",
                "NativeStack`1.get_IsEmpty",
                "RcuDomain.get_Statistics",
            ],
            VolatileReadOrder.MethodsWithPairs(typeof(RcuDomain).Assembly.GetTypes())
        );
    }

    [Fact]
    public void Two_volatile_reads_are_found_in_one_expression_in_statements_and_behind_properties()
    {
        Assert.Equal(
            [
                $"{nameof(Reads)}.{nameof(Reads.InOneExpression)}",
                $"{nameof(Reads)}.{nameof(Reads.InStatements)}",
                $"{nameof(Reads)}.{nameof(Reads.OfAProperty)}",
                $"{nameof(Reads)}.{nameof(Reads.OfVolatileFields)}",
            ],
            VolatileReadOrder.MethodsWithPairs([typeof(Reads)])
        );
    }

    /// <summary>Begins in the first tier, and is replaced on the stack while it is inside.</summary>
    private static long LoopInside(RcuDomain domain, ManualResetEventSlim middle, ManualResetEventSlim goOn)
    {
        long sum = 0;
        using RcuReadSection section = domain.EnterReadSection();
        for (int i = 0; i < 2_000_000; i++)
        {
            sum += i ^ (sum >> 3);
            if (i == 1_000_000)
            {
                middle.Set();
                Assert.True(goOn.Wait(Background.Bound));
            }
        }

        Assert.True(domain.IsInReadSection);
        return sum | 1;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Make(RcuDomain domain, Action reclaimed)
    {
        for (int i = 0; i < 100; i++)
        {
            _ = new Finalized(domain, reclaimed);
        }
    }

    private sealed class Finalized(RcuDomain domain, Action reclaimed)
    {
        ~Finalized()
        {
            using RcuReadSection section = domain.EnterReadSection();
            domain.Retire(reclaimed, static action => action());
        }
    }

    /// <summary>What the search must find, and what it must not.</summary>
    private sealed class Reads
    {
        private int _first = 1;
        private int _second = 2;
        private volatile int _third = 3;
        private volatile int _fourth = 4;

        private int First => Volatile.Read(ref _first);

        public int InOneExpression() => Volatile.Read(ref _first) - Volatile.Read(ref _second);

        public int InStatements()
        {
            int first = Volatile.Read(ref _first);
            int second = Volatile.Read(ref _second);
            return first - second;
        }

        public int OfAProperty() => First - Volatile.Read(ref _second);

        public int OfVolatileFields() => _third - _fourth;

        public int WithABarrier()
        {
            int first = Volatile.Read(ref _first);
            Volatile.ReadBarrier();
            return first - Volatile.Read(ref _second);
        }

        public bool WithABranch() => First > 0 && Volatile.Read(ref _second) > 0;

        public int WithAStore()
        {
            int first = Volatile.Read(ref _first);
            _fourth = first;
            return Volatile.Read(ref _second);
        }
    }
}
