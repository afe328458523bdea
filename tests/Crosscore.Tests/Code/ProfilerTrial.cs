using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>
/// What a child of a test does while perf records it: it spends its time in functions that have names.
/// </summary>
internal static class ProfilerTrial
{
    public const string Installed = "crosscore_perf_installed";
    public const string Live = "crosscore_perf_live";
    public const string Exchanged = "crosscore_perf_exchanged";

    // mov ecx, 0x40000000; dec ecx; jnz; ret
    private static readonly byte[] Loop = [0xB9, 0, 0, 0, 0x40, 0xFF, 0xC9, 0x75, 0xFC, 0xC3];

    // call [rsp+disp32], never executed; behind the loop and a NOP its distance crosses aligned 8 bytes.
    private static readonly byte[] UnmovableCall = [0xFF, 0x94, 0x24, 0, 0, 0, 0];

    /// <summary>One piece of code before the names are published, two after; one whose pages are exchanged.</summary>
    public static int Spin()
    {
        var writer = new CodeWriter("perf");
        _ = writer.Append(MachineCode.Return42, "crosscore_perf_other");
        CodeFunction function = writer.Append(Loop, Installed);
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();
        CodeNames.PublishToPerf();
        using LiveCode live = LiveCode.Install(Loop, Live);
        using LiveCode exchanged = LiveCode.Install([.. Loop, 0x90, .. UnmovableCall, 0xC3], Exchanged);
        PatchPlan plan = new CodePatch(CodeMode.Measured).Replace(exchanged, 14, [1, 1, 1, 1]).Commit();
        Console.WriteLine(plan.Method);
        _ = MachineCode.Call(installed.AddressOf(function));
        _ = MachineCode.Call(live.Address);
        _ = MachineCode.Call(exchanged.Address);
        Console.WriteLine(Environment.ProcessId);
        return 0;
    }
}
