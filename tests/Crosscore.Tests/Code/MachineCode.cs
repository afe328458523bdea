using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>Tiny functions without arguments, for the architecture at hand.</summary>
internal static unsafe class MachineCode
{
    public static byte[] Return42 { get; } = Return(42);

    /// <summary>mov eax, value; ret - or movz w0, #value; ret, which takes 16 bits.</summary>
    public static byte[] Return(int value)
    {
        byte[] code;
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
        {
            code = [0xB8, 0, 0, 0, 0, 0xC3];
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(1), value);
            return code;
        }

        code = [0, 0, 0, 0, 0xC0, 0x03, 0x5F, 0xD6];
        BinaryPrimitives.WriteUInt32LittleEndian(code, 0x52800000 | ((uint)(ushort)value << 5));
        return code;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Call(nint address)
    {
        // SAFETY: the callers pass functions of this class, which take nothing, touch nothing and return an int; they
        // stay mapped until after the call.
        return ((delegate* unmanaged<int>)address)();
    }

    /// <summary>
    /// As <see cref="Call(nint)"/>, in cooperative mode until the return. Not inlined, because the compiler of .NET 10
    /// joins a call of either kind with one of the other when both stand at the ends of two branches, and what is left
    /// may be the ordinary one.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int CallWithoutTransition(nint address)
    {
        // SAFETY: as above; the functions are short and neither block nor call back.
        return ((delegate* unmanaged[SuppressGCTransition]<int>)address)();
    }

    public static int Call(InstalledCode code) => Call(code.Address);

    public static int Call(ReadOnlySpan<byte> code)
    {
        using SealedCode sealedCode = SealedCode.Seal(code);
        using InstalledCode installed = sealedCode.Install();
        return Call(installed);
    }
}
