using Crosscore.Code;
using Crosscore.Tests.Raw;
using Xunit.Sdk;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>The controls of the sweeps: uses that do wrong, each of which a sweep must find.</summary>
public sealed class RefusalSweepTests(ITestOutputHelper output)
{
    [Fact]
    public void A_refusal_that_is_remembered_is_found() =>
        Fails(ControlScenarios.Remembers, "first use, membarrier 0x0, number 0: EPERM once: second: documented");

    [Fact]
    public void An_exception_that_is_not_documented_is_found() =>
        Fails(ControlScenarios.Undocumented, "later use, membarrier 0x0, number 0: EMFILE once: first: undocumented");

    [Fact]
    public void A_descriptor_that_stays_after_a_refusal_is_found() => Fails(ControlScenarios.Keeps, "held: ");

    [Fact]
    public void A_wrong_answer_after_a_refusal_is_found() =>
        Fails(ControlScenarios.Lies, "EAGAIN once: first: undocumented Xunit.Sdk.EqualException");

    [Fact]
    public void The_library_imports_the_C_library_alone_and_the_gate_knows_each_function()
    {
        string[] imports = CallGate.ImportsOf(typeof(Membarrier).Assembly);
        Assert.Contains("syscall", imports);
        Assert.Contains("mmap", imports);
        Assert.Contains("pread", imports);
        output.WriteLine($"{imports.Length} functions: {string.Join(", ", imports)}");
    }

    private void Fails(string scenario, string failure)
    {
        Machine.NeedsRawPrograms();
        XunitException found = Assert.ThrowsAny<XunitException>(() =>
            RefusalSweep.Check(typeof(ControlScenarios), scenario, output.WriteLine)
        );
        Assert.Contains(failure, found.Message, StringComparison.Ordinal);
    }
}

/// <summary>What a sweep must find.</summary>
internal static class ControlScenarios
{
    public const string Remembers = "a refusal is remembered";
    public const string Undocumented = "an exception is not documented";
    public const string Keeps = "a descriptor stays";
    public const string Lies = "an answer is wrong";

    private static readonly Lazy<MembarrierCommands> Asked = new(Membarrier.Query);
    private static readonly List<SealedCode> Kept = [];

    public static IReadOnlyList<RefusalScenario> All { get; } =
    [
        new(Remembers, () => _ = Asked.Value, typeof(MembarrierException)),
        new(Undocumented, () => _ = Membarrier.Query()),
        new(Keeps, Keep, typeof(CodeException)),
        new(Lies, () => Assert.Equal(MembarrierCommands.PrivateExpedited, SupportedNow())),
    ];

    private static void Keep()
    {
        var code = SealedCode.Seal(MachineCode.Return42);
        try
        {
            code.Install().Dispose();
            code.Dispose();
        }
        catch (CodeException)
        {
            Kept.Add(code);
            throw;
        }
    }

    /// <summary>What was refused is taken for what is not there.</summary>
    private static MembarrierCommands SupportedNow()
    {
        try
        {
            return Membarrier.Query() & MembarrierCommands.PrivateExpedited;
        }
        catch (MembarrierException)
        {
            return MembarrierCommands.None;
        }
    }
}
