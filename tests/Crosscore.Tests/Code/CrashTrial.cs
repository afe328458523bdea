using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>
/// What a child of a test does to leave a core dump behind: it dies inside of a function with a name.
/// </summary>
internal static class CrashTrial
{
    public const string Function = "crosscore_crash_function";

    /// <summary>Prints where it will die, in installed code or, if asked for, in live code.</summary>
    public static int Crash()
    {
        byte[] dies = [0x90, 0xBF, 0x39, 5, 0, 0, 0x0F, 0x0B, 0xC3]; // nop; mov edi, 1337; ud2; ret
        CodeNames.PublishToDebugger();
        CodeNames.PublishToPerf();
        var writer = new CodeWriter("crash");
        _ = writer.Append(MachineCode.Return42, "before");
        CodeFunction function = writer.Append(dies, Function);
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();
        using LiveCode live = LiveCode.Install(writer);
        nint address =
            Environment.GetEnvironmentVariable("CROSSCORE_TEST_CRASH") == "live"
                ? live.AddressOf(function)
                : installed.AddressOf(function);
        Console.WriteLine($"{CodeNames.Find(address)} at {address:x} in {Environment.ProcessId}");
        Console.Out.Flush();
        return MachineCode.Call(address);
    }
}
