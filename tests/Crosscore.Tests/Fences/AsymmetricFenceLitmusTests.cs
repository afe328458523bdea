using System.Runtime.InteropServices;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Fences;

/// <summary>
/// The pair on this machine, in each mode and each tier of the JIT, with controls that must show what the heavy side
/// forbids: a fence of the calling thread alone, and none. In children, because the mode is decided once in a process.
/// </summary>
public sealed class AsymmetricFenceLitmusTests
{
    public static TheoryData<string, string> Tiers { get; } =
        new()
        {
            { "DOTNET_TieredPGO", "1" },
            { "DOTNET_TieredPGO", "0" },
            { "DOTNET_TieredCompilation", "0" },
            { "DOTNET_TC_OnStackReplacement", "0" }, // the loops stay in tier 0
            { "DOTNET_ReadyToRun", "0" },
        };

    [Theory]
    [MemberData(nameof(Tiers))]
    public void The_process_wide_barrier_orders_the_light_side_and_a_fence_of_one_thread_does_not(
        string setting,
        string value
    )
    {
        Processor.NeedsTwo();
        Machine.Needs(MembarrierCommands.PrivateExpedited);
        Trial trial = Run("", (setting, value));
        Assert.Equal("Membarrier", trial.Mode);
        trial.PairHolds();
        Assert.True(trial.OwnFenceUntilSeen.Violations > 0, "The control saw nothing.");
        Assert.True(trial.NoFenceUntilSeen.Violations > 0, "The control saw nothing.");
    }

    [Fact]
    public void In_symmetric_mode_two_full_fences_order_and_one_does_not()
    {
        Processor.NeedsTwo();
        Trial trial = Run("Symmetric");
        Assert.Equal("Symmetric", trial.Mode);
        trial.PairHolds();
        // here the light side is a full fence, so any full fence pairs with it
        Assert.Equal(0, trial.OwnFence.Violations);
        Assert.True(trial.NoFenceUntilSeen.Violations > 0, "The control saw nothing.");
    }

    [Fact]
    public void Taking_rights_to_a_page_away_orders_on_a_processor_that_must_be_interrupted()
    {
        Processor.NeedsTwo();
        FenceFacts facts = FenceProbe.Ask();
        Assert.SkipUnless(
            facts is { IsLinux: true, Architecture: Architecture.X64, Emulated: false, BroadcastsInvalidations: false },
            "This mode is for Linux on x86-64 processors without INVLPGB."
        );
        Trial trial = Run("PageProtection");
        Assert.Equal("PageProtection", trial.Mode);
        trial.PairHolds();
        Assert.True(trial.OwnFenceUntilSeen.Violations > 0, "The control saw nothing.");
    }

    [Theory]
    [InlineData(Linux.Errno.ENOSYS)]
    [InlineData(Linux.Errno.EPERM)]
    public void Where_a_sandbox_takes_the_call_away_both_sides_are_full_fences_and_hold(int errno)
    {
        Processor.NeedsTwo();
        Machine.NeedsRawPrograms();
        Trial trial = Run("", launcher: Launcher.RefusingMembarrier(errno));
        Assert.Equal("Symmetric", trial.Mode);
        trial.PairHolds();
    }

    private static Trial Run(string mode, params (string Name, string Value)[] settings) => Run(mode, null, settings);

    private static Trial Run(string mode, RawProgram? launcher, params (string Name, string Value)[] settings)
    {
        ChildResult child = ChildProcess.RunThisProgram(
            Child.TryFences,
            launcher,
            [(FenceDecision.VariableName, mode), .. settings]
        );
        Assert.SkipWhen(child.Status == Launcher.NotAvailable, "The sandbox is not available here.");
        Assert.True(child.Status == 0, child.Errors);
        string[] lines = child.Text.Split('\n');
        (long, long)[] counts =
        [
            .. lines[1..5]
                .Select(line => line.Split(' '))
                .Select(parts => (long.Parse(parts[0]), long.Parse(parts[1]))),
        ];
        return new Trial(lines[0], counts[0], counts[1], counts[2], counts[3]);
    }

    private sealed record Trial(
        string Mode,
        (long Judged, long Violations) Pair,
        (long Judged, long Violations) OwnFenceUntilSeen,
        (long Judged, long Violations) OwnFence,
        (long Judged, long Violations) NoFenceUntilSeen
    )
    {
        public void PairHolds()
        {
            Assert.True(Pair.Judged >= 3_000, $"Only {Pair.Judged} turns could be judged.");
            Assert.Equal(0, Pair.Violations);
        }
    }
}
