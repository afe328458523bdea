using System.Runtime.InteropServices;

namespace Crosscore.Tests.Fences;

/// <summary>Which mode is taken on which machine, and what a choice does.</summary>
public sealed class FenceDecisionTests
{
    private static readonly FenceFacts Linux = new(
        IsLinux: true, RuntimeBarrierIsSound: false, Architecture.X64, MembarrierFailure.None, Emulated: false, BroadcastsInvalidations: false);

    private static readonly FenceFacts NoCall = Linux with { Membarrier = MembarrierFailure.Absent };

    public static TheoryData<string, AsymmetricFenceMode> Machines { get; } = new()
    {
        { "linux", AsymmetricFenceMode.Membarrier },
        { "arm64", AsymmetricFenceMode.Membarrier },
        { "no call", AsymmetricFenceMode.PageProtection },
        { "refused", AsymmetricFenceMode.PageProtection },
        { "no call, arm64", AsymmetricFenceMode.Symmetric },
        { "no call, gVisor", AsymmetricFenceMode.Symmetric },
        { "no call, INVLPGB", AsymmetricFenceMode.Symmetric },
        { "windows", AsymmetricFenceMode.Runtime },
        { "freebsd", AsymmetricFenceMode.Symmetric },
    };

    [Theory]
    [MemberData(nameof(Machines))]
    public void Page_protection_is_used_only_where_it_must_interrupt_and_nothing_weaker_is_used_anywhere(string machine, AsymmetricFenceMode mode)
    {
        FenceDecision decision = FenceDecision.Choose(null, Facts(machine));
        Assert.Equal((mode, null), (decision.Mode, decision.Error));
        Assert.NotEmpty(decision.Reason);
    }

    [Theory]
    [InlineData("symmetric", AsymmetricFenceMode.Symmetric)]
    [InlineData(" Membarrier ", AsymmetricFenceMode.Membarrier)]
    [InlineData("PAGEPROTECTION", AsymmetricFenceMode.PageProtection)]
    public void A_mode_can_be_chosen_by_its_name(string wish, AsymmetricFenceMode mode) =>
        Assert.Equal((mode, null), (FenceDecision.Choose(wish, Linux).Mode, FenceDecision.Choose(wish, Linux).Error));

    [Theory]
    [InlineData("membarier", "linux", "there are Symmetric, Membarrier, PageProtection, Runtime")]
    [InlineData("1", "linux", "'1'")]
    [InlineData("Membarrier", "no call", "membarrier(2) cannot be used (Absent)")]
    [InlineData("PageProtection", "arm64", "on Linux on x86-64 only")]
    [InlineData("PageProtection", "no call, INVLPGB", "INVLPGB")]
    [InlineData("Runtime", "linux", "Windows and Apple")]
    public void A_choice_that_cannot_be_had_is_an_error_and_full_fences_on_both_sides(string wish, string machine, string says)
    {
        FenceDecision decision = FenceDecision.Choose(wish, Facts(machine));
        Assert.Equal(AsymmetricFenceMode.Symmetric, decision.Mode);
        Assert.Contains(says, decision.Error, StringComparison.Ordinal);
    }

    private static FenceFacts Facts(string machine) => machine switch
    {
        "linux" => Linux,
        "arm64" => Linux with { Architecture = Architecture.Arm64 },
        "no call" => NoCall,
        "refused" => Linux with { Membarrier = MembarrierFailure.Refused },
        "no call, arm64" => NoCall with { Architecture = Architecture.Arm64 },
        "no call, gVisor" => NoCall with { Emulated = true },
        "no call, INVLPGB" => NoCall with { BroadcastsInvalidations = true },
        "windows" => NoCall with { IsLinux = false, RuntimeBarrierIsSound = true, Membarrier = MembarrierFailure.WrongPlatform },
        "freebsd" => NoCall with { IsLinux = false, Membarrier = MembarrierFailure.WrongPlatform },
        _ => throw new ArgumentOutOfRangeException(nameof(machine)),
    };
}
