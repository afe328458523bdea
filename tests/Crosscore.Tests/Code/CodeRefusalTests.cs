using System.Net.Sockets;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Tests.Sandbox.Refusals;

namespace Crosscore.Tests;

/// <summary>
/// Every system call that code needs is refused at every place, with each of six errors, once and forever: the
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
    public void A_refused_system_call_of_a_patch_is_neither_lost_nor_remembered() => Check(CodeScenarios.Patch);

    [Fact]
    public void A_refused_system_call_of_names_for_perf_is_neither_lost_nor_remembered() => Check(CodeScenarios.Perf);

    [Fact]
    public void A_refused_system_call_of_names_for_gdb_is_neither_lost_nor_remembered() =>
        Check(CodeScenarios.Debugger);

    private void Check(string scenario) => RefusalSweep.Check(typeof(CodeScenarios), scenario, output.WriteLine);
}

/// <summary>What code does by system calls.</summary>
internal static partial class CodeScenarios
{
    public const string Slot = "a slot";
    public const string HandOver = "handing over";
    public const string Live = "live code";
    public const string Patch = "patches by a breakpoint and by pages";
    public const string Perf = "names for perf";
    public const string Debugger = "names for gdb";

    public static IReadOnlyList<RefusalScenario> All { get; } =
    [
        new(Slot, () => Leaves("crosscore-none", UseSlot), typeof(CodeException)),
        new(HandOver, () => Leaves("crosscore-code", UseHandOver), typeof(CodeException), typeof(IOException)),
        new(Live, () => Leaves("crosscore-live", UseLive), typeof(CodeException)),
        new(Patch, () => Leaves("crosscore-live", UsePatches), typeof(CodeException)),
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
        using SealedCode received = CodeTransfer.ReceiveFrom(receiver, code.Digest(), new Accepting());
        using InstalledCode installed = received.Install();
        Assert.Equal(42, MachineCode.Call(installed));
    }

    private static void UseLive()
    {
        using LiveCode code = LiveCode.Install(MachineCode.Return42);
        Assert.Equal(42, MachineCode.Call(code.Address));
    }

    /// <summary>A refused patch has written all of its bytes or none.</summary>
    private static void UsePatches()
    {
        // Five nops, then mov eax, imm32, whose constant lies on both sides of eight aligned bytes; ret.
        byte[] bytes = [0x90, 0x90, 0x90, 0x90, 0x90, 0xB8, 1, 2, 3, 4, 0xC3];
        Apply(new CodePatch(), bytes, at: 6, PatchMethod.Breakpoint, code => MachineCode.Call(code.Address));

        // call [rsp + disp32], which cannot be executed elsewhere; nothing calls it here.
        byte[] unmovable = [0x90, 0x90, 0xFF, 0x94, 0x24, 0, 0, 0, 0, 0xC3];
        Apply(
            new CodePatch(CodeMode.Measured),
            unmovable,
            at: 5,
            PatchMethod.PageSwap,
            code => Marshal.ReadInt32(code.Address + 5)
        );
    }

    private static void Apply(CodePatch patch, byte[] bytes, int at, PatchMethod method, Func<LiveCode, int> read)
    {
        using LiveCode code = LiveCode.Install(bytes);
        int before = read(code);
        CodeException? refusal = null;
        try
        {
            Assert.Equal(method, patch.Replace(code, at, [5, 6, 7, 8]).Commit().Method);
        }
        catch (CodeException thrown)
        {
            refusal = thrown;
        }

        byte[] now = code.ToArray();
        Assert.True(
            read(code) == 0x08070605
                ? now.AsSpan(at, 4).SequenceEqual((byte[])[5, 6, 7, 8])
                : read(code) == before && refusal is not null && now.AsSpan().SequenceEqual(bytes),
            $"The code returns {read(code):x}, and its bytes are {Convert.ToHexString(now)}."
        );
        if (refusal is not null)
        {
            throw refusal;
        }
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
            File.Delete($"/tmp/jit-{Environment.ProcessId}.dump");
        }
    }

    /// <summary>
    /// When a use was refused, no descriptor of the library's and no mapping of such a file is there that was not
    /// before. What only the first use installs has another name: the handler of breakpoints is a "crosscore-code".
    /// </summary>
    private static void Leaves(string file, Action use)
    {
        int held = RefusalChild.Held(file);
        try
        {
            use();
        }
        catch (Exception refusal) when (refusal is CodeException or IOException)
        {
            Assert.True(RefusalChild.Held(file) <= held, $"After the refusal something stays. {refusal}");
            throw;
        }
    }

    [LibraryImport("libc", EntryPoint = "socketpair")]
    private static partial int SocketPair(int domain, int type, int protocol, [In, Out] int[] descriptors);

    private sealed class Accepting : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) => CodeVerdict.Accepted;
    }
}
