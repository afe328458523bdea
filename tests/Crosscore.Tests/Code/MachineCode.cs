using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>Tiny functions without arguments, for the architecture at hand.</summary>
internal static unsafe class MachineCode
{
    /// <summary>mov eax, 42; ret - or mov w0, #42; ret.</summary>
    public static byte[] Return42 { get; } = RuntimeInformation.ProcessArchitecture == Architecture.X64
        ? [0xB8, 42, 0, 0, 0, 0xC3]
        : [0x40, 0x05, 0x80, 0x52, 0xC0, 0x03, 0x5F, 0xD6];

    public static int Call(InstalledCode code)
    {
        // SAFETY: the callers install functions of this class, which take nothing, touch nothing and return an int; they stay mapped until after the call.
        return ((delegate* unmanaged<int>)code.Address)();
    }

    public static int Call(ReadOnlySpan<byte> code)
    {
        using SealedCode sealedCode = SealedCode.Seal(code);
        using InstalledCode installed = sealedCode.Install();
        return Call(installed);
    }
}
