using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Code.Live;

/// <summary>
/// What a child of a test does with live code where its process may be changed for good: by a filter of system calls.
/// </summary>
internal static unsafe class LivePatchTrial
{
    // nop, 5 times; mov eax, 1, whose immediate crosses aligned 8 bytes; add eax, 2; ret
    private static readonly byte[] Function = [0x90, 0x90, 0x90, 0x90, 0x90, 0xB8, 1, 0, 0, 0, 0x83, 0xC0, 2, 0xC3];

    /// <summary>
    /// A patch by breakpoints where sigaction has come to be refused: how it ends, how many tables it has lost, and
    /// what the code answers.
    /// </summary>
    public static int PatchWithoutSigaction()
    {
        using LiveCode code = LiveCode.Install(Function);
        _ = new CodePatch().Replace(code, 6, [9, 9, 9, 9]).Commit();
        _ = new CodePatch().Replace(code, 6, [1, 0, 0, 0]).Commit();
        int free;
        lock (LiveCode.Patching)
        {
            BreakpointTables.Collect();
            free = BreakpointTables.FreeCount;
        }

        const int RtSigaction = 13;
        if (!CallFilter.RefuseToThisThread(RtSigaction, Errno.EPERM))
        {
            return Launcher.NotAvailable;
        }

        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4])));
        lock (LiveCode.Patching)
        {
            Console.WriteLine($"{free - BreakpointTables.FreeCount} tables lost");
        }

        Console.WriteLine(Call(code));
        return 0;
    }

    /// <summary>A patch by a single store and one by breakpoints where membarrier has come to be refused.</summary>
    public static int PatchWithoutMembarrier()
    {
        using LiveCode code = LiveCode.Install(Function);
        if (
            !CallFilter.RefuseToThisThread(
                (int)MembarrierCall.Number(RuntimeInformation.ProcessArchitecture),
                Errno.EPERM
            )
        )
        {
            return Launcher.NotAvailable;
        }

        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [9])));
        Console.WriteLine(Call(code));
        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4])));
        Console.WriteLine(Call(code));
        return 0;
    }

    private static string Outcome(CodePatch patch)
    {
        try
        {
            return patch.Commit().Method.ToString();
        }
        catch (CodeException refusal)
        {
            bool named = refusal.Errno == Errno.EPERM || refusal.Message.Contains("EPERM", StringComparison.Ordinal);
            return $"{refusal.Failure} {(named ? "for EPERM" : "for a reason that is not said")}";
        }
    }

    private static int Call(LiveCode code)
    {
        // SAFETY: a complete function without arguments in every version.
        return ((delegate* unmanaged<int>)code.Address)();
    }
}
