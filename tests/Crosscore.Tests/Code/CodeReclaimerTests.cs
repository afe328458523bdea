using System.Globalization;
using Crosscore.Code;
using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>Code is unmapped when no thread can be in it, and not before.</summary>
public sealed class CodeReclaimerTests
{
    [Fact]
    public void No_thread_executes_code_that_a_suspension_has_freed()
    {
        (long hits, long reclaimed, long calls) = Torture(Child.ReclaimAfterSuspension);
        Assert.Equal(0, hits);
        Assert.True(
            reclaimed >= ReclaimTorture.EnoughReclaimed && calls > 100_000,
            $"Only {reclaimed} segments were reclaimed during {calls} calls: that shows nothing."
        );
    }

    [Fact]
    public void No_thread_executes_code_that_was_freed_after_the_read_sections_it_is_called_in()
    {
        (long hits, long reclaimed, long calls) = Torture(Child.ReclaimAfterReadSections);
        Assert.Equal(0, hits);
        Assert.True(
            reclaimed >= ReclaimTorture.EnoughReclaimed && calls > 100_000,
            $"Only {reclaimed} segments were reclaimed during {calls} calls: that shows nothing."
        );
    }

    [Fact]
    public void Outside_of_read_sections_a_thread_does()
    {
        (long hits, _, _) = Torture(Child.ReclaimAfterReadSectionsOrdinaryCalls);
        Assert.True(
            hits > 0,
            "Callers outside of sections seem to be waited for; then the sections may prove nothing."
        );
    }

    [Fact]
    public void Inside_of_a_read_section_retiring_never_waits()
    {
        CodeReclaimer reclaimer = CodeReclaimer.AfterReadSections(RcuDomain.Default);
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using (RcuReadSection section = RcuDomain.Default.EnterReadSection())
        {
            for (int count = 0; count < CodeReclaimer.MaxSegments + 10; count++)
            {
                reclaimer.Retire(code.Install());
            }

            Assert.Equal(CodeReclaimer.MaxSegments + 10, reclaimer.Waiting);
            _ = Assert.Throws<InvalidOperationException>(() => reclaimer.WaitAndReclaim());
        }

        _ = reclaimer.WaitAndReclaim();
        Assert.Equal(0, reclaimer.Waiting);
    }

    [Fact]
    public void Without_a_grace_period_a_thread_does()
    {
        (long hits, _, _) = Torture(Child.ReclaimAtOnce);
        Assert.True(hits > 0, "Executions of freed code are not noticed, so not noticing any proves nothing.");
    }

    /// <summary>A thread in an ordinary unmanaged call is in preemptive mode, and no suspension waits for it.</summary>
    [Fact]
    public void With_ordinary_unmanaged_calls_a_suspension_is_no_grace_period()
    {
        (long hits, _, _) = Torture(Child.ReclaimAfterSuspensionOrdinaryCalls);
        Assert.True(hits > 0, "Ordinary calls seem to be waited for; then the documentation asks for too much.");
    }

    [Fact]
    public void What_is_retired_stays_until_a_collection_has_begun_and_ended_and_then_goes()
    {
        var reclaimer = new CodeReclaimer(new StoppedPeriod());
        InstalledCode installed = Install();
        nint address = installed.Address;
        reclaimer.Retire(installed);

        Assert.Equal(1, reclaimer.Waiting);
        Assert.Equal(0, reclaimer.Reclaim());
        Assert.Equal("r-xs", Maps.PermissionsAt(address));
        _ = Assert.Throws<ObjectDisposedException>(() => installed.Address);

        Assert.Equal(1, reclaimer.WaitAndReclaim());
        Assert.Equal(0, reclaimer.Waiting);
        Assert.Equal("---p", Maps.PermissionsAt(address));
    }

    [Fact]
    public void Waiting_orders_a_collection_and_looking_does_not()
    {
        CodeReclaimer reclaimer = CodeReclaimer.AfterSuspension;
        _ = reclaimer.WaitAndReclaim();
        int collections = GC.CollectionCount(0);
        reclaimer.Retire(Install());
        _ = reclaimer.Reclaim();
        Assert.InRange(reclaimer.WaitAndReclaim(), GC.CollectionCount(0) == collections ? 1 : 0, 1);
        Assert.NotEqual(collections, GC.CollectionCount(0));
        Assert.Equal(0, reclaimer.Waiting);
    }

    [Fact]
    public void Code_is_retired_or_disposed_of_once()
    {
        CodeReclaimer reclaimer = CodeReclaimer.AfterSuspension;
        InstalledCode retired = Install();
        reclaimer.Retire(retired);
        _ = Assert.Throws<ObjectDisposedException>(() => reclaimer.Retire(retired));
        retired.Dispose();
        InstalledCode disposed = Install();
        disposed.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => reclaimer.Retire(disposed));
    }

    [Fact]
    public void Without_a_grace_period_to_be_had_the_code_stays_the_callers_as_it_was()
    {
        var domain = new RcuDomain();
        CodeReclaimer reclaimer = CodeReclaimer.AfterReadSections(domain);
        domain.Dispose();
        InstalledCode installed = Install();
        nint address = installed.Address;
        _ = Assert.Throws<ObjectDisposedException>(() => reclaimer.Retire(installed));
        Assert.Equal(0, reclaimer.Waiting);
        Assert.Equal(address, installed.Address);
        Assert.Equal(42, MachineCode.Call(installed));
        installed.Dispose();
        Assert.Equal("---p", Maps.PermissionsAt(address));
    }

    [Fact]
    public void No_more_waits_than_is_promised()
    {
        var reclaimer = new CodeReclaimer(new StoppedPeriod());
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        for (int count = 0; count < CodeReclaimer.MaxSegments; count++)
        {
            reclaimer.Retire(code.Install());
        }

        Assert.Equal(CodeReclaimer.MaxSegments, reclaimer.Waiting);
        reclaimer.Retire(code.Install());
        Assert.Equal(0, reclaimer.Waiting);
    }

    [Fact]
    public void A_collection_of_the_programs_own_is_enough()
    {
        var period = new SuspensionGracePeriod();
        var reclaimer = new CodeReclaimer(period);
        reclaimer.Retire(Install());

        // The first collection finds the watch, the finalizer thread looks.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(0, reclaimer.Waiting);
    }

    private static InstalledCode Install()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        return code.Install();
    }

    private static (long Hits, long Reclaimed, long Calls) Torture(string task)
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(task);
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Text} {result.Errors}");
        long[] numbers = [.. result.Text.Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
        return (numbers[0], numbers[1], numbers[2]);
    }

    /// <summary>Time passes only when a caller waits for it.</summary>
    private sealed class StoppedPeriod : IGracePeriod
    {
        private long _now;

        public bool CanWait => true;

        public long Now() => _now;

        public bool HasPassed(long moment) => moment < _now;

        public void Wait(long moment) => _now = moment + 1;
    }
}
