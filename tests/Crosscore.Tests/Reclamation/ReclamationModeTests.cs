using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;
using Crosscore.Tests.Structures;

namespace Crosscore.Tests.Reclamation;

/// <summary>The stress of hazard pointers, locks and structures once more, in children: in every mode of the fence and with the settings of the JIT that change when methods are optimised.</summary>
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
            FenceDecision decision = FenceDecision.Choose(value, FenceProbe.Ask());
            Assert.SkipUnless(decision.Error is null, decision.Error ?? "");
        }

        ChildResult child = ChildProcess.RunThisProgram(Child.StressReclamation, null, (setting, value));
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal("quiet", child.Text.Trim());
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
}
