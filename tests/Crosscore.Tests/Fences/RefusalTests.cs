using Crosscore.Tests.Sandbox.Refusals;

namespace Crosscore.Tests.Fences;

/// <summary>
/// Every system call of the fences is refused at every place, with each of six errors, once and forever: nothing is
/// lost, nothing is remembered, no thread stays pinned, and what is thrown is documented.
/// </summary>
public sealed class RefusalTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(FenceScenarios.Commands)]
    [InlineData(FenceScenarios.Supported)]
    [InlineData(FenceScenarios.OnOneCpu)]
    [InlineData(FenceScenarios.Self)]
    [InlineData(FenceScenarios.AllThreads)]
    [InlineData(FenceScenarios.EveryCpu)]
    [InlineData(FenceScenarios.Movable)]
    [InlineData(FenceScenarios.Heavy)]
    [InlineData(FenceScenarios.Guarantees)]
    [InlineData(FenceScenarios.Release)]
    public void A_refused_system_call_of_the_fences_is_neither_lost_nor_remembered(string scenario) =>
        RefusalSweep.Check(typeof(FenceScenarios), scenario, output.WriteLine);

    [Fact]
    public void A_refused_system_call_of_the_protected_page_is_neither_lost_nor_remembered() =>
        RefusalSweep.Check(
            typeof(FenceScenarios),
            FenceScenarios.PageProtection,
            output.WriteLine,
            (FenceDecision.VariableName, nameof(AsymmetricFenceMode.PageProtection))
        );
}
