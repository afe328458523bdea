using Crosscore.Isa;
using Iced.Intel;

namespace Crosscore.Tests.Isa;

/// <summary>Instructions at another place: what Iced makes of the copy must be what it makes of the original.</summary>
public sealed class X86_64RelocatorTests
{
    private const long From = 0x4000_0000;

    [Theory]
    [InlineData("B801020304")] // mov eax, imm32
    [InlineData("488B0510000000")] // mov rax, [rip+0x10]
    [InlineData("C70510000000EEFF0000")] // mov dword [rip+0x10], imm32: the displacement is not the last of it
    [InlineData("62F17C48100510000000")] // vmovups zmm0, [rip+0x10]
    [InlineData("EB10")] // jmp short
    [InlineData("E910000000")]
    [InlineData("7410")] // je short
    [InlineData("0F8410000000")]
    [InlineData("C7F810000000")] // xbegin
    [InlineData("C3")]
    public void A_copy_does_what_the_original_does(string hexadecimal)
    {
        byte[] code = Convert.FromHexString(hexadecimal);
        (byte[] copy, nint to) = Move(code);
        Instruction original = Decode(code, From);
        Instruction moved = Decode(copy, to);
        Assert.Equal(original.Mnemonic, moved.Mnemonic);
        Assert.Equal(original.NearBranchTarget, moved.NearBranchTarget);
        Assert.Equal(original.IsIPRelativeMemoryOperand, moved.IsIPRelativeMemoryOperand);
        Assert.Equal(original.MemoryDisplacement64, moved.MemoryDisplacement64);
        Instruction back = Decode(copy[moved.Length..], to + moved.Length);
        Assert.Equal((Mnemonic.Jmp, (ulong)(From + code.Length)), (back.Mnemonic, back.NearBranchTarget));
    }

    [Theory]
    [InlineData("E810000000", Mnemonic.Jmp)] // call rel32
    [InlineData("FFD0", Mnemonic.Jmp)] // call rax
    [InlineData("FF1510000000", Mnemonic.Jmp)] // call [rip+0x10]
    [InlineData("41FF542408", Mnemonic.Jmp)] // call [r12+8]
    public void A_call_pushes_the_return_address_of_the_original(string hexadecimal, Mnemonic then)
    {
        byte[] code = Convert.FromHexString(hexadecimal);
        (byte[] copy, nint to) = Move(code);
        Instruction push = Decode(copy, to);
        Assert.Equal(Mnemonic.Push, push.Mnemonic);
        Assert.Equal(From + code.Length, BitConverter.ToInt64(copy, (int)(push.IPRelativeMemoryAddress - (ulong)to)));
        Instruction jump = Decode(copy[push.Length..], to + push.Length);
        Assert.Equal(then, jump.Mnemonic);
        Instruction original = Decode(code, From);
        Assert.Equal(original.NearBranchTarget, jump.NearBranchTarget);
        Assert.Equal(original.MemoryDisplacement64, jump.MemoryDisplacement64);
    }

    [Fact]
    public void A_loop_gets_a_wide_jump_and_one_around_it()
    {
        (byte[] copy, nint to) = Move([0xE2, 0x10]);
        Instruction loop = Decode(copy, to);
        Instruction around = Decode(copy[2..], to + 2);
        Instruction wide = Decode(copy[4..], to + 4);
        Assert.Equal((Mnemonic.Loop, (ulong)to + 4), (loop.Mnemonic, loop.NearBranchTarget));
        Assert.Equal((Mnemonic.Jmp, (ulong)to + 9), (around.Mnemonic, around.NearBranchTarget));
        Assert.Equal((Mnemonic.Jmp, From + 2 + 0x10), (wide.Mnemonic, (long)wide.NearBranchTarget));
    }

    [Fact]
    public void A_branch_among_the_instructions_stays_among_their_copies()
    {
        (byte[] copy, nint to) = Move([0xFF, 0xC9, 0x75, 0xFC]); // again: dec ecx; jne again
        Assert.Equal((ulong)to, Decode(copy[2..], to + 2).NearBranchTarget);
    }

    [Theory]
    [InlineData("FF542408", "stack pointer")] // call [rsp+8]
    [InlineData("FFD4", "stack pointer")] // call rsp
    [InlineData("67488B0510000000", "half")] // mov rax, [eip+0x10]
    [InlineData("FF18", "far call")]
    public void What_cannot_be_moved_says_why(string hexadecimal, string why)
    {
        Assert.False(
            X86_64Relocator.TryMove(
                Convert.FromHexString(hexadecimal),
                (nint)From,
                (nint)From + 0x1000,
                new byte[X86_64Relocator.MaxCopyBytes],
                out _,
                out string? obstacle
            )
        );
        Assert.Contains(why, obstacle, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_too_far_away_is_not_moved() =>
        Assert.False(
            X86_64Relocator.TryMove(
                [0x90],
                (nint)From,
                unchecked((nint)(From + (3L << 30))),
                new byte[X86_64Relocator.MaxCopyBytes],
                out _,
                out _
            )
        );

    private static (byte[] Copy, nint To) Move(byte[] code)
    {
        nint to = (nint)From + 0x54321;
        byte[] copy = new byte[X86_64Relocator.MaxCopyBytes];
        Assert.True(
            X86_64Relocator.TryMove(code, (nint)From, to, copy, out int length, out string? obstacle),
            obstacle
        );
        return (copy[..length], to);
    }

    private static Instruction Decode(byte[] code, long address)
    {
        var decoder = Decoder.Create(64, code);
        decoder.IP = (ulong)address;
        return decoder.Decode();
    }
}
