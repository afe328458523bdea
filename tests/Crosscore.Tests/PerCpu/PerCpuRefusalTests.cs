using Crosscore.Tests.Sandbox.Refusals;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Every system call of per-CPU data is refused at every place, with each of six errors, once and forever: nothing is
/// lost, nothing is remembered, and what is thrown is documented.
/// </summary>
public sealed class PerCpuRefusalTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(PerCpuScenarios.State)]
    [InlineData(PerCpuScenarios.Structures)]
    [InlineData(PerCpuScenarios.Area)]
    [InlineData(PerCpuScenarios.Stop)]
    public void A_refused_system_call_of_per_CPU_data_is_neither_lost_nor_remembered(string scenario)
    {
        Threads.NeedRestarts();
        Assert.SkipUnless(
            Crosscore.PerCpu.RestartableSequences.ConcurrencyIdTrusted || scenario != PerCpuScenarios.State,
            "The kernel keeps no concurrency id here."
        );
        RefusalSweep.Check(typeof(PerCpuScenarios), scenario, output.WriteLine);
    }
}
