using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Crosscore;

/// <summary>
/// A function that does nothing but serialise the core it runs on, as machine code: C# cannot say any of these
/// instructions. It changes rax and rcx only, so code of this library can call it, too.
/// </summary>
internal static class SerializingInstruction
{
    /// <summary>
    /// <c>serialize</c>, where there is one; otherwise <c>iretq</c> to the next instruction, 50 ns against microseconds
    /// for <c>cpuid</c>, which leaves a virtual machine. Under a shadow stack <c>iretq</c> would take its way back from
    /// that stack, where it is not, so there it is <c>cpuid</c> after all.
    /// </summary>
    public static byte[] For(Architecture architecture, bool hasSerialize) =>
        architecture switch
        {
            Architecture.X64 when hasSerialize =>
            [
                0x0F,
                0x01,
                0xE8, // serialize
                0xC3, // ret
            ],
            Architecture.X64 =>
            [
                0x31,
                0xC0, // xor eax, eax
                0xF3,
                0x48,
                0x0F,
                0x1E,
                0xC8, // rdsspq rax       a nop without a shadow stack
                0x48,
                0x85,
                0xC0, // test rax, rax
                0x75,
                0x16, // jne shadow
                0x48,
                0x89,
                0xE1, // mov rcx, rsp
                0x8C,
                0xD0, // mov eax, ss      what iretq takes from the stack: ss, rsp, flags, cs, rip
                0x50, // push rax
                0x51, // push rcx
                0x9C, // pushfq
                0x8C,
                0xC8, // mov eax, cs
                0x50, // push rax
                0x48,
                0x8D,
                0x05,
                0x03,
                0x00,
                0x00,
                0x00, // lea rax, [back]
                0x50, // push rax
                0x48,
                0xCF, // iretq
                0xC3, // back: ret
                0x53, // shadow: push rbx
                0x52, // push rdx
                0x31,
                0xC0, // xor eax, eax
                0x0F,
                0xA2, // cpuid
                0x5A, // pop rdx
                0x5B, // pop rbx
                0xC3, // ret
            ],
            Architecture.Arm64 =>
            [
                0xDF,
                0x3F,
                0x03,
                0xD5, // isb
                0xC0,
                0x03,
                0x5F,
                0xD6, // ret
            ],
            _ => throw new PlatformNotSupportedException(
                $"No core-serialising instruction is known to this library for {architecture}."
            ),
        };

    /// <summary>For this machine. SERIALIZE: Intel SDM vol. 2, CPUID leaf 7, EDX bit 14.</summary>
    public static byte[] ForThisMachine() => For(RuntimeInformation.ProcessArchitecture, HasSerialize);

    private static bool HasSerialize =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & 1 << 14) != 0;
}
