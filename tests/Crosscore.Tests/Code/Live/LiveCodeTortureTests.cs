using System.Diagnostics;
using System.Globalization;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests.Code.Live;

/// <summary>
/// Live code under threads that execute it. Nothing may be torn or stale, for CROSSCORE_TORTURE_SECONDS (24 unless it
/// is set; docs/code.md has the command for ten minutes) in all; and what leaves something out must tear.
/// </summary>
public sealed class LiveCodeTortureTests
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(
        int.TryParse(
            Environment.GetEnvironmentVariable("CROSSCORE_TORTURE_SECONDS"),
            CultureInfo.InvariantCulture,
            out int seconds
        )
            ? seconds
            : 24
    );

    [Fact]
    public void Breakpoints_tear_nothing_at_any_offset_nor_at_the_edges_of_pages_under_collections()
    {
        Machine.NeedsRawPrograms();
        using var code = new TortureCode((_, _) => true);
        Run(code, Time / 2, CodeMode.Strict, PatchMethod.Breakpoint);
        Assert.True(BreakpointControl.Met > 0, "no thread met a breakpoint");
    }

    [Theory]
    [InlineData(CodeMode.Strict)]
    [InlineData(CodeMode.Measured)]
    public void Single_stores_tear_nothing_where_they_lie_within_aligned_8_bytes(CodeMode mode)
    {
        Machine.NeedsRawPrograms();
        using var code = new TortureCode((offset, _) => offset >= 0 && offset % 8 <= 3);
        using var torture = new Torture(code);
        PatchMethod expected = code.PatchTo(1, mode).Plan().Method;
        Assert.SkipWhen(
            mode == CodeMode.Measured && expected != PatchMethod.SingleStore,
            "unreachable: measured mode takes every aligned store"
        );
        Run(code, Time / 8, mode, expected);
    }

    [Fact]
    public void Exchanged_pages_tear_nothing_at_any_offset()
    {
        Machine.NeedsRawPrograms();
        using var code = new TortureCode((_, _) => true);
        Run(code, Time / 4, CodeMode.Measured, PatchMethod.PageSwap, unmovable: true);
    }

    [Fact]
    public void Control_breakpoints_without_synchronization_do_tear()
    {
        Machine.NeedsRawPrograms();
        using var code = new TortureCode((offset, kind) => offset == 62 && kind == SiteKind.Move);
        CodePatch[] patches = [.. Enumerable.Range(0, 256).Select(number => code.PatchTo(number, CodeMode.Strict))];

        // Bounds of the search, not times that are expected. Torn once in 2.3 s in the mean of 14 runs (0.4 to 7.6 s,
        // beside some 40 other threads that wanted the two processors): a search of 10 s would end in vain in one run
        // of 80.
        DoesTear(
            code,
            TimeSpan.FromSeconds(30),
            version =>
            {
                lock (LiveCode.Patching)
                {
                    patches[version & 0xFF].Prepare().Write(() => { });
                }
            }
        );
    }

    [Fact]
    public unsafe void Control_one_store_across_a_cache_line_does_tear()
    {
        Machine.NeedsRawPrograms();
        using var code = new TortureCode((offset, kind) => offset is 60 or 61 or 62 && kind == SiteKind.Move);

        // The writable side, which the library gives to no caller.
        MemoryMapLine writable = Maps.LineAt(Maps.OtherMappingOf(code.Code.Address))!.Value;
        Assert.StartsWith("rw-", writable.Permissions, StringComparison.Ordinal);
        DoesTear(
            code,
            TimeSpan.FromSeconds(10),
            version => // 0.0 to 0.6 s in those runs.
            {
                // Not as fast as possible: stores that follow each other closely keep the lines from the core that
                // executes them, and others may always meet it at the same instruction.
                Thread.SpinWait((int)(version * 7 % 64));
                foreach ((int offset, _) in code.Sites)
                {
                    // SAFETY: the immediate lies inside of the mapping, which lives until the code is disposed of.
                    *(int*)(writable.Start + offset + 1) = TortureCode.Value((int)version);
                }
            }
        );
    }

    /// <summary>
    /// Changes the code until an instruction is seen torn, but not for longer than a bound; the one who changes it and
    /// the one who executes it have a processor each.
    /// </summary>
    private static void DoesTear(TortureCode code, TimeSpan bound, Action<long> change)
    {
        Processor.NeedsTwo();
        using var torture = new Torture(code, managed: false);
        var watch = Stopwatch.StartNew();
        long version = 0;
        var writer = new Thread(() =>
        {
            Processor.Pin(0);
            while (torture.Torn == 0 && watch.Elapsed < bound)
            {
                version++;
                torture.Change(version, () => change(version));
            }
        });
        writer.Start();
        writer.Join();
        string report = torture.Report(version, watch);
        TestContext.Current.TestOutputHelper?.WriteLine(report);
        Assert.True(torture.Torn > 0, report);
    }

    private static void Run(
        TortureCode code,
        TimeSpan time,
        CodeMode mode,
        PatchMethod expected,
        bool unmovable = false
    )
    {
        using var torture = new Torture(code);
        var watch = Stopwatch.StartNew();
        long version = 0;
        while (watch.Elapsed < time || !torture.BothHaveCalled)
        {
            version++;
            torture.Change(
                version,
                () =>
                {
                    PatchPlan plan = code.PatchTo((int)version, mode, unmovable).Commit();
                    Assert.Equal(expected, plan.Method);
                }
            );
            if (version % 64 == 0)
            {
                GC.Collect(version % 1024 == 0 ? 2 : 0);
            }
        }

        string report = torture.Report(version, watch);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{report}, {BreakpointControl.Met:N0} breakpoints met, {BreakpointControl.Late:N0} late"
        );
        Assert.True(torture is { Torn: 0, Stale: 0 }, report);
    }
}
