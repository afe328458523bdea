using System.Net.Sockets;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Tests.Sandbox.Refusals;

namespace Crosscore.Tests;

/// <summary>
/// Every system call that code needs is refused at every place, with each of six errors, once and for ever: the
/// exception is the documented one, no descriptor and no mapping stays, and the next use works.
/// </summary>
public sealed class CodeRefusalTests(ITestOutputHelper output)
{
    [Fact]
    public void A_refused_system_call_of_sealing_handing_over_and_installing_is_neither_lost_nor_remembered() =>
        Check(CodeScenarios.HandOver);

    [Fact]
    public void A_refused_system_call_of_slots_is_neither_lost_nor_remembered() => Check(CodeScenarios.Slot);

    [Fact]
    public void A_refused_system_call_of_live_code_is_neither_lost_nor_remembered() => Check(CodeScenarios.Live);

    [Fact]
    public void A_refused_system_call_of_names_for_perf_is_neither_lost_nor_remembered() => Check(CodeScenarios.Perf);

    [Fact]
    public void A_refused_system_call_of_names_for_gdb_is_neither_lost_nor_remembered() => Check(CodeScenarios.Debugger);

    private void Check(string scenario) => RefusalSweep.Check(typeof(CodeScenarios), scenario, output.WriteLine);
}

/// <summary>What code does by system calls.</summary>
internal static partial class CodeScenarios
{
    public const string Slot = "a slot";
    public const string HandOver = "handing over";
    public const string Live = "live code";
    public const string Perf = "names for perf";
    public const string Debugger = "names for gdb";

    public static IReadOnlyList<RefusalScenario> All { get; } =
    [
        new(Slot, () => Leaves("crosscore-none", UseSlot), typeof(CodeException)),
        new(HandOver, () => Leaves("crosscore-code", UseHandOver), typeof(CodeException), typeof(IOException)),
        new(Live, () => Leaves("crosscore-live", UseLive), typeof(CodeException)),
        new(Perf, UsePerf, typeof(IOException), typeof(CodeException)), // The file stays open.
        new(Debugger, CodeNames.PublishToDebugger, typeof(CodeException)), // So does the library.
    ];

    private static void UseSlot()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = code.Install();
        var slot = new CodeSlot(installed.Address);
        Assert.Equal(42, MachineCode.Call(slot.Address));
    }

    private static void UseHandOver()
    {
        int[] pair = new int[2];
        Assert.Equal(0, SocketPair(1, 1, 0, pair));
        using var sender = new Socket(new SafeSocketHandle(pair[0], true)) { SendTimeout = 100 };
        using var receiver = new Socket(new SafeSocketHandle(pair[1], true)) { ReceiveTimeout = 100 };
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        code.SendTo(sender);
        using SealedCode received = SealedCode.ReceiveFrom(receiver, code.Digest(), new Accepting());
        using InstalledCode installed = received.Install();
        Assert.Equal(42, MachineCode.Call(installed));
    }

    private static void UseLive()
    {
        using LiveCode code = LiveCode.Install(MachineCode.Return42);
        Assert.Equal(42, MachineCode.Call(code.Address));
    }

    private static void UsePerf()
    {
        try
        {
            CodeNames.PublishToPerf();
            Assert.Equal(42, MachineCode.Call(MachineCode.Return42));
        }
        finally
        {
            File.Delete($"/tmp/perf-{Environment.ProcessId}.map");
        }
    }

    /// <summary>
    /// When a use was refused, the next descriptor has the number that it had before, and no mapping with such a name
    /// is there that was not before.
    /// </summary>
    private static void Leaves(string mapping, Action use)
    {
        int free = NextDescriptor();
        int mapped = Mapped(mapping);
        try
        {
            use();
        }
        catch (Exception refusal) when (refusal is CodeException or IOException)
        {
            Assert.Equal(free, NextDescriptor());
            Assert.Equal(mapped, Mapped(mapping));
            throw;
        }
    }

    /// <summary>By a call that is not among those that are refused.</summary>
    private static int NextDescriptor()
    {
        int next = Dup(0);
        _ = Close(next);
        return next;
    }

    /// <summary>By calls of .NET's, which are not refused.</summary>
    private static int Mapped(string name) =>
        File.ReadLines("/proc/self/maps").Count(line => line.Contains(name, StringComparison.Ordinal));

    [LibraryImport("libc", EntryPoint = "socketpair")]
    private static partial int SocketPair(int domain, int type, int protocol, [In, Out] int[] descriptors);

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Dup(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    private sealed class Accepting : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) => CodeVerdict.Accepted;
    }
}
