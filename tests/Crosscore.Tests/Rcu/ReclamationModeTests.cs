using Crosscore.Tests.HazardPointers;
using Crosscore.Tests.Locks;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;
using Crosscore.Tests.Structures;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// The stress of hazard pointers, locks and structures once more, in children: in every mode of the fence and with the
/// settings of the JIT that change when methods are optimized.
/// </summary>
public sealed class ReclamationModeTests
{
    [Theory]
    [InlineData(FenceDecision.VariableName, "Symmetric")]
    [InlineData(FenceDecision.VariableName, "PageProtection")]
    [InlineData("DOTNET_TieredCompilation", "0")]
    [InlineData("DOTNET_TieredPGO", "0")]
    public void No_stress_finds_a_fault(string setting, string value)
    {
        if (setting == FenceDecision.VariableName)
        {
            NeedsMode(value);
        }

        ChildResult child = ChildProcess.RunThisProgram(Child.StressReclamation, null, (setting, value));
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal("quiet", child.Text.Trim());
    }

    /// <summary>
    /// A stress that finds no fault would not notice that a mode has no fence; these do, and their controls show it.
    /// </summary>
    [Theory]
    [InlineData("Symmetric")]
    [InlineData("PageProtection")]
    public void The_fence_of_the_mode_orders_readers_against_scans_and_grace_periods_and_without_it_they_are_not(
        string mode
    )
    {
        Processor.NeedsTwo();
        NeedsMode(mode);
        ChildResult child = ChildProcess.RunThisProgram(
            Child.OrderReclamation,
            null,
            (FenceDecision.VariableName, mode)
        );
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal($"ordered by {mode}", child.Text.Trim());
    }

    /// <summary>In the child.</summary>
    internal static void RunOrders()
    {
        var hazards = new HazardFenceTests();
        hazards.With_the_barrier_no_reader_meets_what_the_scan_took_for_unprotected();
        hazards.Without_the_barrier_a_reader_does();
        var rcu = new RcuLitmusTests();
        rcu.A_section_that_was_not_waited_for_sees_what_was_stored_before_the_grace_period();
        if (AsymmetricFence.Mode != AsymmetricFenceMode.Symmetric)
        {
            // There the reader has a full fence, and the writer another one anyway where it shares grace periods, so
            // nothing is left to take away.
            rcu.Without_the_heavy_fence_it_does_not();
            rcu.A_fence_of_the_writer_alone_is_not_enough();
        }

        Console.WriteLine($"ordered by {AsymmetricFence.Mode}");
    }

    /// <summary>In the child.</summary>
    internal static void RunStress()
    {
        var hazards = new HazardStressTests();
        hazards.No_reader_meets_a_reclaimed_object_and_the_garbage_is_bounded();
        hazards.No_reader_meets_freed_memory();
        hazards.Cohorts_close_while_others_read_and_retire();
        new BiasedLockTests().Every_revocation_finds_what_the_owner_did();
        new AsymmetricReaderWriterLockTests().Readers_see_no_half_of_a_write_while_threads_come_and_go();
        var structures = new NativeStructureTests();
        structures.Every_value_pushed_is_popped_once_and_no_freed_node_is_met();
        structures.Values_leave_the_queue_once_and_in_the_order_of_each_producer();
        Console.WriteLine("quiet");
    }

    private static void NeedsMode(string mode)
    {
        FenceDecision decision = FenceDecision.Choose(mode, FenceProbe.Ask());
        Assert.SkipUnless(decision.Error is null, decision.Error ?? "");
    }
}
