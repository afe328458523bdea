using Crosscore.Code;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>Installed functions have names for those who look.</summary>
public sealed class CodeNamesTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)] // The runtime writes the same file.
    public void Perf_finds_the_function_and_no_line_is_damaged(bool runtimeWritesToo)
    {
        // Said in both cases: the tests themselves may run with the variable set.
        ChildResult result = ChildProcess.RunThisProgram(
            Child.NameForPerf,
            null,
            ("DOTNET_PerfMapEnabled", runtimeWritesToo ? "1" : "0")
        );
        Assert.True(result.Status == 0, result.Errors);
        string[] lines = result.Text.Split('\n');
        Assert.True(lines[1] == "0", $"{lines[1]} lines are damaged: {result.Errors}");
        Assert.Equal(lines[0], lines[2]);
        Assert.Equal(runtimeWritesToo ? "50" : "0", lines[3]);
    }

    [Fact]
    public void Gdb_knows_the_functions_that_are_installed_and_forgets_those_that_are_gone()
    {
        Machine.NeedsRawPrograms();
        Assert.SkipUnless(File.Exists("/usr/bin/gdb"), "gdb is not installed.");
        ChildResult result = ChildProcess.RunThisProgram(Child.NameForDebugger);
        Assert.SkipWhen(
            result.Errors.Contains("ptrace: Operation not permitted", StringComparison.Ordinal),
            "This system does not let a child trace its parent."
        );
        Assert.True(result.Status == 0, result.Errors);
        Assert.Contains($"{CodeTrial.Named} in section", result.Text, StringComparison.Ordinal);
        Assert.Contains($"{CodeTrial.Named} + 1 in section", result.Text, StringComparison.Ordinal);
        Assert.Contains("No symbol matches", result.Text, StringComparison.Ordinal);
        Assert.Contains($"<{CodeTrial.Named}>:", result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sink_that_throws_while_it_is_told_of_what_there_is_is_not_attached_and_forgets_the_rest()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode first = code.Install();
        using InstalledCode second = code.Install();
        var sink = new Full();
        _ = Assert.Throws<InsufficientMemoryException>(() => CodeRegistry.Attach(sink));
        Assert.Equal(0, sink.Known);
        using InstalledCode third = code.Install(); // Does not throw: the sink is not there.
    }

    [Fact]
    public void An_address_has_the_name_of_its_segment_and_function_while_it_is_installed()
    {
        var writer = new CodeWriter("jit");
        _ = writer.Append(MachineCode.Return42, "f");
        _ = writer.Append(MachineCode.Return42);
        using SealedCode code = writer.Seal();
        InstalledCode installed = code.Install();
        nint address = installed.Address;
        Assert.Equal("jit!f", CodeNames.Find(address));
        Assert.Equal("jit!f+0x3", CodeNames.Find(address + 3));
        Assert.Equal("jit+0x40", CodeNames.Find(address + 64));
        Assert.Contains("crosscore-code:jit", Maps.LineAt(address)!.Value.Path, StringComparison.Ordinal);
        installed.Dispose();
        Assert.Null(CodeNames.Find(address));
        Assert.Null(CodeNames.Find(0));
    }

    /// <summary>Has room for one.</summary>
    private sealed class Full : INameSink
    {
        public int Known { get; private set; }

        public void Added(CodeSegment segment) => Known = Known == 0 ? 1 : throw new InsufficientMemoryException();

        public void Removed(CodeSegment segment) => Known--;
    }
}
