namespace Crosscore.Tests.Fences;

/// <summary>The public face on the machine at hand.</summary>
public sealed class AsymmetricFenceTests
{
    [Fact]
    public async Task Both_sides_can_be_called_and_are_counted()
    {
        long asked = AsymmetricFence.HeavyCount;
        long issued = AsymmetricFence.BarrierCount;
        AsymmetricFence.Light();
        AsymmetricFence.Heavy();
        await AsymmetricFence.HeavyAsync(TestContext.Current.CancellationToken);
        Assert.True(AsymmetricFence.HeavyCount >= asked + 2);
        Assert.True(AsymmetricFence.BarrierCount > issued);
    }

    [Fact]
    public async Task A_canceled_token_ends_the_waiting() =>
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            AsymmetricFence.HeavyAsync(new CancellationToken(canceled: true))
        );

    [Fact]
    public void The_mode_is_the_one_of_this_machine() =>
        Assert.Equal(
            FenceDecision.Choose(Environment.GetEnvironmentVariable(FenceDecision.VariableName), FenceProbe.Ask()).Mode,
            AsymmetricFence.Mode
        );
}
