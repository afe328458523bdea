using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Litmus.Tests.Syntax;

/// <summary>
/// What is wrong in a file is said with its line and column, what was found there and what was expected.
/// </summary>
public class BadInputTests
{
    // (line, column, part of the message, text)
    public static TheoryData<int, int, string, string> Header { get; } =
        new()
        {
            { 1, 1, "found the end of the file", "" },
            { 1, 1, "found 'RISCV', expected the architecture X86_64 or AArch64", "RISCV T\n{ }\nP0 ;\n" },
            { 1, 1, "found no name after X86_64", "X86_64\n{ }\nP0 ;\n" },
            { 1, 1, "expected the first line: X86_64", "{ }\nP0 ;\n" },
            {
                2,
                1,
                "found 'nonsense', expected a quoted description, a line of the form Key=value",
                "X86_64 T\nnonsense\n{ }\nP0 ;\n"
            },
            { 2, 1, "without its closing quote", "X86_64 T\n\"open\n{ }\nP0 ;\n" },
            { 2, 3, "comment '(*' without its closing '*)'", "X86_64 T\n  (* open (* *) \n{ }\nP0 ;\n" },
            { 2, 4, "found the end of the file, expected the initial state", "X86_64 T\nA=b" },
        };

    public static TheoryData<int, int, string, string> Initial { get; } =
        new()
        {
            { 2, 1, "found 'P0', expected ';' or '}' after an entry", "x\nP0" },
            { 1, 5, "found 'y', expected ';' or '}'", "x=1 y=2" },
            { 1, 1, "found 'unsigned', expected one of the types", "unsigned x" },
            { 1, 1, "found 'volatile', expected one of the types", "volatile int x" },
            { 1, 7, "found 'x', expected ';' or '}'", "float x" },
            { 1, 5, "found '=', expected a location or a register", "int = 3" },
            { 1, 1, "found '=', expected a type, a location or a register", "= 3" },
            { 1, 1, "found '*', expected a type, a location or a register", "*x=1" },
            { 1, 3, "found ';', expected a number or the name of a location", "x=;" },
            { 1, 6, "found a second declaration of x", "x=1; x=2" },
            { 1, 10, "found a second initial value of 0:rax", "0:rax=1; 0:rax=2" },
            { 1, 10, "found a second initial value of 0:rax", "0:rax=1; 0:eax=2" },
            { 1, 3, "found 'foo', expected a general-purpose register", "0:foo=1" },
            { 1, 3, "found 'rsp', expected a general-purpose register", "0:rsp=1" },
            { 1, 1, "found a register of thread 2, but the last column is P0", "2:rax=1" },
            { 1, 1, "found '1000', expected the number of a thread", "1000:rax=1" },
            { 1, 3, "found 'rax', expected ':' between", "0 rax=1" },
            { 1, 7, "found '0', expected the number of elements, 1 to 4096", "int t[0]" },
            { 1, 7, "found '5000', expected the number of elements", "int t[5000]" },
            { 1, 10, "found 3 elements, expected 2 as declared", "int t[2]={1,2,3}" },
            { 1, 3, "found 1 element, expected 0 as declared", "x={1}" },
            { 1, 10, "found '1', expected the elements in braces", "int t[2]=1" },
            { 1, 4, "found x[1], but x has 1 element", "p=&x[1]; x" },
            { 1, 5, "found an address as a value of p, which has type int", "int p=x; x" },
            { 1, 5, "found an address as the value of 0:rax, which has type int", "int 0:rax=x; x" },
            {
                1,
                3,
                "found '18446744073709551616', expected a decimal or hexadecimal number of at most 64 bits",
                "x=18446744073709551616"
            },
            { 1, 3, "found '0xfg', expected a decimal or hexadecimal number", "x=0xfg" },
            { 1, 3, "found '-9223372036854775809', expected", "x=-9223372036854775809" },
            { 1, 3, "found the character '@'", "x=@" },
        };

    public static TheoryData<int, int, string, string> Rows { get; } =
        new()
        {
            { 1, 1, "found the instruction 'adcl', which is not modeled", "adcl %eax,%ebx ;" },
            { 1, 1, "found the instruction 'movq2dq', which is not modeled", "movq2dq %xmm0,%xmm1 ;" },
            { 1, 1, "found the instruction 'jp', which is not modeled", "jp L ;" },
            { 1, 1, "found the instruction 'clflush', which is not modeled", "clflush (x) ;" },
            { 1, 1, "found the instruction 'cmovzz', which is not modeled", "cmovzz %eax,%ebx ;" },
            { 1, 1, "found the instruction 'movzx', which is not modeled", "movzx %al,%ebx ;" },
            { 1, 1, "found 'movzlq', which would extend 4 bytes to 8", "movzlq %eax,%rbx ;" },
            { 1, 1, "found 'movsww', which would extend 2 bytes to 2", "movsww %ax,%bx ;" },
            { 1, 1, "found '5', expected an instruction, a label", "5 ;" },
            { 1, 9, "found ';', expected ',' and a second operand of movl", "movl $1 ;" },
            { 1, 6, "found ',', expected an operand", "movl ,(x) ;" },
            { 1, 6, "found 'x', expected an operand", "movl x,%eax ;" },
            { 1, 7, "found 'x', expected", "movl %x,%eax ;" },
            { 1, 7, "found 'ah', expected a general-purpose register (the high bytes", "movb %ah,(x) ;" },
            { 1, 7, "found the stack pointer", "movq %rsp,%rax ;" },
            { 1, 7, "found ',', expected a number or a location after '$'", "movl $,(x) ;" },
            { 1, 10, "found two memory operands of movl", "movl (x),(y) ;" },
            { 1, 11, "found a constant, expected a register or memory as this operand of movl", "movl %eax,$1 ;" },
            { 1, 6, "found an address as a constant, expected it only in movq", "addq $x,%rax ;" },
            { 1, 6, "found an address as a constant, expected it only in movq", "movl $x,%eax ;" },
            { 1, 6, "found 4294967296, which does not fit the immediate of movl", "movl $0x100000000,%eax ;" },
            { 1, 6, "found 2147483648, which does not fit the immediate of movq (32 bits)", "movq $0x80000000,(x) ;" },
            { 1, 6, "found 256, which does not fit the immediate of movb", "movb $256,(x) ;" },
            { 1, 6, "found -129, which does not fit the immediate of movb", "movb $-129,(x) ;" },
            { 1, 6, "found 256, which does not fit the immediate of shll", "shll $256,%eax ;" },
            { 1, 6, "expected a constant or %cl as the first operand of shll", "shll %eax,%ebx ;" },
            { 1, 6, "expected memory and a register of 2, 4 or 8 bytes", "leaq %rax,%rbx ;" },
            { 1, 15, "expected memory as an operand of cmpxchgl", "cmpxchgl %ebx,%ecx ;" },
            { 1, 1, "found 'mov' with no register operand, expected a suffix", "mov $1,(x) ;" },
            { 1, 1, "found 'inc' with no register operand, expected a suffix", "inc (x) ;" },
            { 1, 1, "found 'mov' with registers of 4 and 8 bytes, expected one width", "mov %eax,%rbx ;" },
            { 1, 7, "found lock before 'movl', expected it before a read-modify-write", "lock; movl $1,(x) ;" },
            { 1, 7, "found lock before 'incl', expected it before a read-modify-write", "lock; incl %eax ;" },
            { 1, 7, "found lock before 'cmpl'", "lock; cmpl $1,(x) ;" },
            { 1, 7, "found lock before 'mfence'", "lock; mfence ;" },
            { 1, 7, "found ';', expected an instruction", "lock; ;" },
            {
                1,
                12,
                "found 'private', expected one of the commands global, global_expedited, private_expedited",
                "membarrier private ;"
            },
            { 1, 12, "found ';', expected one of the commands", "membarrier ;" },
            { 1, 5, "found ';', expected a label of this column", "jmp ;" },
            { 1, 1, "found a jump to M, expected a label of column P0: L", "jmp M ;\nL: ;" },
            { 2, 1, "found the label L a second time in column P0", "L: nop ;\nL: nop ;" },
            { 1, 8, "found 'nop', expected ';' after the instruction of the last column, P0", "mfence nop ;" },
            { 1, 8, "found '|', expected ';' after the instruction of the last column, P0", "mfence | nop ;" },
            { 1, 6, "found the displacement 4294967296, expected at most 32 bits", "movl 4294967296(%rax),%ebx ;" },
            { 1, 18, "found '3', expected the scale 1, 2, 4 or 8", "movl (%rax,%rbx, 3),%ecx ;" },
            { 1, 9, "found 'rax', expected '%rip' after x(", "movl x(%rax),%ecx ;" },
            { 1, 8, "found ',', expected ')' after the location", "movl (x,%eax ;" },
            { 1, 7, "found operands of 1 byte, expected 2, 4 or 8", "cmove %al,%bl ;" },
            { 1, 8, "expected a register or memory, and a register", "cmovel $1,%ebx ;" },
            { 1, 8, "expected a register or memory, and a register", "movzbl $1,%ebx ;" },
        };

    public static TheoryData<int, int, string, string> Question { get; } =
        new()
        {
            { 1, 1, "found the instruction 'maybe', which is not modeled", "maybe (x=1)" },
            { 1, 3, "found 'forall', expected exists", "~ forall (x=1)" },
            { 1, 8, "found the end of the file, expected a location such as [x]", "exists " },
            { 1, 10, "found ')', expected '=' or '!='", "exists (x)" },
            { 1, 11, "found ')', expected a number, a location or a register", "exists (x=)" },
            { 1, 12, "found the end of the file, expected ')'", "exists (x=1" },
            { 1, 9, "found 'typo', which neither the initial state nor an instruction names", "exists (typo=1)" },
            { 1, 13, "found 'y', expected ')' after a part of the condition", "exists (x=1 y=2)" },
            { 1, 13, "found 'junk', expected the end of the file", "exists (x=1)junk" },
            { 1, 9, "found a register of thread 3, but the last column is P0", "exists (3:rax=1)" },
            { 1, 11, "found 'xax', expected a general-purpose register", "exists (0:xax=1)" },
            { 1, 11, "found 4294967296, which [x] of type int can never hold", "exists (x=4294967296)" },
            { 1, 11, "found the address of y, which [x] of type int cannot hold", "exists (x=y)" },
            { 1, 9, "found the whole array t, expected one element of it", "exists (t=1)" },
            { 1, 9, "found t[2], but t has 2 elements", "exists (t[2]=1)" },
            { 1, 9, "found x[0], but x is no array", "exists (x[0]=1)" },
            { 1, 11, "found 3 elements, expected 2", "exists (t={1,2,3})" },
            { 1, 11, "found '5000', expected the index of an element", "exists (t[5000]=1)" },
            { 1, 11, "found 'exists', expected '[' after locations", "locations exists (x=1)" },
            { 1, 14, "found '/\\', expected ';' or ']' after a location", "locations [x /\\ y] exists (x=1)" },
            {
                1,
                18,
                "found 'uint64_t', expected ';' or ']' (types are declared in the initial state)",
                "locations [0:rax uint64_t;] exists (x=1)"
            },
            { 1, 10, "found 'exists', expected '=' or '!='", "filter x exists (x=1)" },
        };

    [Theory]
    [MemberData(nameof(Header))]
    public void A_bad_header_is_reported(int line, int column, string message, string text) =>
        AssertError(text, line, column, message);

    [Theory]
    [MemberData(nameof(Initial))]
    public void A_bad_initial_state_is_reported(int line, int column, string message, string entries) =>
        AssertError($"X86_64 T\n{{\n{entries}\n}}\nP0 ;\nnop ;\nforall true", line + 2, column, message);

    [Theory]
    [MemberData(nameof(Rows))]
    public void A_bad_instruction_is_reported(int line, int column, string message, string rows) =>
        AssertError($"X86_64 T\n{{ }}\nP0 ;\n{rows}\nexists (0:rax=0)", line + 3, column, message);

    [Theory]
    [MemberData(nameof(Question))]
    public void A_bad_question_is_reported(int line, int column, string message, string question) =>
        AssertError($"X86_64 T\n{{ int t[2]; x; y; }}\nP0 ;\nnop ;\n{question}", line + 4, column, message);

    [Theory]
    [InlineData(4, 1, "found 'P1', expected P0 at the head of a column", "P1 ;\nnop ;")]
    [InlineData(4, 6, "found 'P2', expected P1 at the head of a column", "P0 | P2 ;\nnop | nop ;")]
    [InlineData(5, 5, "found ';', expected '|' before column P1", "P0 | P1 ;\nnop ;")]
    [InlineData(
        5,
        11,
        "found '|', expected ';' after the instruction of the last column, P1",
        "P0 | P1 ;\nnop | nop | nop ;"
    )]
    [InlineData(5, 1, "found 'nop', expected ';' after the heads of the columns", "P0\nnop ;")]
    [InlineData(4, 1, "found 'movl', expected P0", "movl $1,(x) ;")]
    public void Bad_columns_are_reported(int line, int column, string message, string columns) =>
        AssertError($"X86_64 T\n{{\n}}\n{columns}\nforall true", line, column, message);

    [Theory]
    [InlineData("movl $1,2(x)", "accesses 4 bytes of x, but x has only 2 there")]
    [InlineData("movq (t),%rax", "accesses 8 bytes of t, but t has only 4 there")]
    [InlineData("movb $1,-1(x)", "accesses 1 byte of x")]
    public void An_access_outside_of_its_location_is_reported_where_it_stands(string instruction, string message)
    {
        LitmusTest test = LitmusText.Parse($"X86_64 T\n{{ int x; int t; }}\nP0 ;\n{instruction} ;\nforall true");
        LitmusException exception = Assert.Throws<LitmusException>(() => LoweredTest.Of(test));
        Assert.Equal(new SourcePosition(4, 1), exception.Position);
        Assert.Contains(message, exception.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("shll $2,%eax", "jo")]
    [InlineData("shll %cl,%eax", "je")]
    [InlineData("shlb $8,%al", "jb")]
    [InlineData("shrw $16,%ax", "ja")]
    [InlineData("shll $2,%eax ;\nincl %ebx ;\nshll $2,%eax", "jl")]
    [InlineData("shlb $9,%al ;\nincl %ebx", "jae")]
    public void A_look_at_an_undefined_flag_is_reported(string before, string jump)
    {
        LitmusTest test = LitmusText.Parse($"X86_64 T\n{{ }}\nP0 ;\n{before} ;\n{jump} L ;\nL: ;\nforall true");
        LitmusException exception = Assert.Throws<LitmusException>(() => LoweredTest.Of(test));
        Assert.Contains("leaves undefined", exception.Problem, StringComparison.Ordinal);
        Assert.StartsWith($"found {jump} L", exception.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("shll $1,%eax", "jo")]
    [InlineData("shll $2,%eax", "jb")]
    [InlineData("shll $0,%eax", "jo")]
    [InlineData("shll $32,%eax", "jo")]
    [InlineData("sarb $9,%al", "jb")]
    [InlineData("shll %cl,%eax ;\naddl $1,%eax", "jo")]
    [InlineData("shll %cl,%eax ;\nincl %eax", "jo")]
    public void A_look_at_a_defined_flag_is_not(string before, string jump) =>
        Assert.NotEmpty(
            LoweredTest
                .Of(LitmusText.Parse($"X86_64 T\n{{ }}\nP0 ;\n{before} ;\n{jump} L ;\nL: ;\nforall true"))
                .Program.Threads[0]
                .Ops
        );

    [Theory]
    [InlineData("(", ")")]
    [InlineData("not ", "")]
    [InlineData("x=1 => ", "")]
    [InlineData("~(", ")")]
    public void A_condition_that_is_nested_without_end_is_refused_and_a_deep_one_is_not(string open, string close)
    {
        string Deep(int depth) =>
            string.Concat(Enumerable.Repeat(open, depth)) + "x=1" + string.Concat(Enumerable.Repeat(close, depth));
        LitmusTest test = LitmusText.Question("x", "exists " + Deep(200));
        Assert.Contains("[x]=1", test.Condition.Format(test), StringComparison.Ordinal);
        LitmusException exception = Assert.Throws<LitmusException>(() =>
            LitmusText.Question("x", "exists " + Deep(1_000_000))
        );
        Assert.Contains("nested more than", exception.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_begins_with_the_file_and_the_place()
    {
        LitmusException exception = LitmusText.Error("X86_64 T\n{ }\nP0 ;\n  frob ;\n");
        Assert.Equal(("t.litmus", new SourcePosition(4, 3)), (exception.File, exception.Position));
        Assert.Equal("t.litmus:4:3: " + exception.Problem, exception.Message);
    }

    private static void AssertError(string text, int line, int column, string message)
    {
        LitmusException exception = LitmusText.Error(text);
        Assert.Contains(message, exception.Problem, StringComparison.Ordinal);
        Assert.Equal(new SourcePosition(line, column), exception.Position);
    }
}
