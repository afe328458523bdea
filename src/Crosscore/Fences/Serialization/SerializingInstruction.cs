using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Crosscore;

/// <summary>
/// The machine code of a function that only serializes the core it runs on: C# has none of these instructions. It
/// changes no register but rax and rcx, so machine code of this library can call it, too.
/// </summary>
internal static class SerializingInstruction
{
    private static readonly byte[] Serialize = Convert.FromHexString(
        "0F01E8" // serialize
            + "C3" // ret
    );

    private static readonly byte[] IretOrCpuid = Convert.FromHexString(
        "31C0" // xor eax, eax
            + "F3480F1EC8" // rdsspq rax       a nop without a shadow stack
            + "4885C0" // test rax, rax
            + "7516" // jne shadow
            + "4889E1" // mov rcx, rsp
            + "8CD0" // mov eax, ss      what iretq takes from the stack: ss, rsp, flags, cs, rip
            + "50" // push rax
            + "51" // push rcx
            + "9C" // pushfq
            + "8CC8" // mov eax, cs
            + "50" // push rax
            + "488D0503000000" // lea rax, [back]
            + "50" // push rax
            + "48CF" // iretq
            + "C3" // back: ret
            + "53" // shadow: push rbx
            + "52" // push rdx
            + "31C0" // xor eax, eax
            + "0FA2" // cpuid
            + "5A" // pop rdx
            + "5B" // pop rbx
            + "C3" // ret
    );

    private static readonly byte[] Isb = Convert.FromHexString(
        "DF3F03D5" // isb
            + "C0035FD6" // ret
    );

    /// <summary>
    /// Gets <c>serialize</c>, where there is one; otherwise <c>iretq</c> to the next instruction, which takes 50 ns
    /// against microseconds for <c>cpuid</c>, which leaves a virtual machine. Under a shadow stack <c>iretq</c> would
    /// take its return address from that stack, where it is not, so there the function executes <c>cpuid</c>.
    /// </summary>
    public static byte[] For(Architecture architecture, bool hasSerialize) =>
        architecture switch
        {
            Architecture.X64 => hasSerialize ? Serialize : IretOrCpuid,
            Architecture.Arm64 => Isb,
            _ => throw new PlatformNotSupportedException(
                $"CoreSerialization: {architecture} is not supported, only x86-64 and arm64. Test for that first."
            ),
        };

    /// <summary>
    /// Gets the function for this machine. SERIALIZE: Intel SDM vol. 2, CPUID leaf 7, EDX bit 14.
    /// </summary>
    public static byte[] ForThisMachine() => For(RuntimeInformation.ProcessArchitecture, HasSerialize);

    private static bool HasSerialize =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & 1 << 14) != 0;
}
